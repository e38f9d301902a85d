import { z } from 'zod'
import { id } from '../shapes.ts'

export const sessionClosed = z.object({ type: z.literal('session.closed'), ref: id, session: id })
