import { z } from 'zod'
import { id, part, position } from '../shapes.ts'

/** A slice that begins at `at` and holds at most 64 KiB; `bytes` is how long the part is by now. */
export const turnText = z.object({
  type: z.literal('turn.text'),
  ref: id,
  session: id,
  turn: id,
  part,
  at: position,
  end: position,
  bytes: position,
  text: z.string(),
})
