import { z } from 'zod'
import { id, seq } from '../shapes.ts'

/** The message is in the log. Sent again with the same `messageId`, the answer is the same. */
export const messageAccepted = z.object({
  type: z.literal('message.accepted'),
  ref: id,
  session: id,
  messageId: id,
  turn: id,
  seq,
})
