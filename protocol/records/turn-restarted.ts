import { z } from 'zod'
import { attempt, id, model, position, recordFields } from '../shapes.ts'
import { promptUsed } from './prompt-used.ts'

/** A new attempt begins with the first `keep.end` bytes of part 0 of attempt `keep.attempt`; without `keep`, empty. */
export const turnRestarted = z.object({
  type: z.literal('turn.restarted'),
  ...recordFields,
  turn: id,
  attempt,
  model,
  prompt: promptUsed.exactOptional(),
  keep: z.object({ attempt, end: position }).exactOptional(),
  reason: z.string(),
})
