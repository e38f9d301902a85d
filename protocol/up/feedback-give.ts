import { z } from 'zod'
import { commentLength } from '../limits.ts'
import { id } from '../shapes.ts'

/** What a user thinks of an answer. The last one given counts; 0 takes it back. */
export const feedbackGive = z.object({
  type: z.literal('feedback.give'),
  id,
  session: id,
  turn: id,
  rating: z.union([z.literal(-1), z.literal(0), z.literal(1)]),
  comment: z.string().max(commentLength).exactOptional(),
  share: z.boolean().exactOptional().describe('the subject lets it be exported'),
})
