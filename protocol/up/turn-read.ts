import { z } from 'zod'
import { id, part, position } from '../shapes.ts'

/** A piece of a turn's text, for what is too long to be sent whole. */
export const turnRead = z.object({ type: z.literal('turn.read'), id, session: id, turn: id, part, at: position })
