import { z } from 'zod'
import { commentLength } from '../limits.ts'
import { id, recordFields } from '../shapes.ts'
import { promptUsed } from './prompt-used.ts'

/** What the user thought of an answer; the last one for a turn counts. */
export const feedbackAdded = z.object({
  type: z.literal('feedback.added'),
  ...recordFields,
  turn: id,
  rating: z.union([z.literal(-1), z.literal(0), z.literal(1)]),
  comment: z.string().max(commentLength).exactOptional(),
  share: z.boolean().exactOptional(),
  prompt: promptUsed.exactOptional().describe('what the rated answer came from'),
})
