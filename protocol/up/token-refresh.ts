import { z } from 'zod'
import { id, token } from '../shapes.ts'

/** A newer token on a live socket: same subject and tenant, or it is refused and the old one stands. */
export const tokenRefresh = z.object({ type: z.literal('token.refresh'), id, token })
