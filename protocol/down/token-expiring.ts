import { z } from 'zod'
import { instantMs } from '../shapes.ts'

/** Sixty seconds ahead: refresh, or the socket is closed with 4401. */
export const tokenExpiring = z.object({ type: z.literal('token.expiring'), tokenExpiresAt: instantMs })
