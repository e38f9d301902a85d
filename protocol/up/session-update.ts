import { z } from 'zod'
import { id, metadata } from '../shapes.ts'

/** Replaces a session's metadata as a whole. A title lives there, under `title`. */
export const sessionUpdate = z.object({ type: z.literal('session.update'), id, session: id, metadata })
