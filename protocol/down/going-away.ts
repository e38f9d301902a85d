import { z } from 'zod'
import { durationMs } from '../shapes.ts'

/** This node is leaving: connect anew after the delay (each client gets another), read on here until then. */
export const goingAway = z.object({
  type: z.literal('going.away'),
  reconnectAfterMs: durationMs,
  deadlineMs: durationMs.describe('from now; then the socket is closed with 4001'),
})
