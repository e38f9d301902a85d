import { z } from 'zod'
import { id } from '../shapes.ts'

/** Stop watching. Ends nothing. */
export const sessionClose = z.object({ type: z.literal('session.close'), id, session: id })
