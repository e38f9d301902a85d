import { z } from 'zod'
import { id, instantMs } from '../shapes.ts'

export const tokenRefreshed = z.object({ type: z.literal('token.refreshed'), ref: id, tokenExpiresAt: instantMs })
