import { z } from 'zod'
import { attempt, id, model, recordFields } from '../shapes.ts'
import { promptUsed } from './prompt-used.ts'

/** An attempt's text begins: its tapes are empty. */
export const turnStarted = z.object({
  type: z.literal('turn.started'),
  ...recordFields,
  turn: id,
  attempt,
  model,
  prompt: promptUsed.exactOptional(),
})
