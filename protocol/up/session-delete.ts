import { z } from 'zod'
import { id } from '../shapes.ts'

/** Erases a session everywhere, a running turn included. */
export const sessionDelete = z.object({ type: z.literal('session.delete'), id, session: id })
