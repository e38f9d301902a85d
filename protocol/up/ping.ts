import { z } from 'zod'
import { id } from '../shapes.ts'

/** For a client that cannot see WebSocket pings: send it after `heartbeatMs` of silence. */
export const ping = z.object({ type: z.literal('ping'), id })
