import { z } from 'zod'
import { attempt, id, part, position } from '../shapes.ts'

/** The range [at, end) of one part's tape. `at` is the reader's own end, or the reader re-opens with what it has. */
export const turnDelta = z.object({
  type: z.literal('turn.delta'),
  session: id,
  turn: id,
  attempt,
  part,
  at: position,
  end: position,
  text: z.string(),
  kind: z.string().exactOptional().describe("what the part is; in a part's first delta, for parts above 0"),
})
