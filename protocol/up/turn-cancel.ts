import { z } from 'zod'
import { id } from '../shapes.ts'

/** Idempotent. `turn.cancelling` answers; the terminal record follows, or already came. */
export const turnCancel = z.object({ type: z.literal('turn.cancel'), id, session: id, turn: id })
