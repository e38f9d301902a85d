import { z } from 'zod'
import { recordSchema } from '../record.ts'
import { count, ends, headSeq, id, instantMs, mark, metadata } from '../shapes.ts'

/**
 * What the client lacks, and where it now is. Without `ref` when the server itself found out that the client's view
 * is of another history; then `reset` is true.
 */
export const sessionOpened = z.object({
  type: z.literal('session.opened'),
  ref: id.exactOptional(),
  session: id,
  seq: headSeq.describe("the last record of this frame, or the cursor's; later ones follow as frames of their own"),
  mark,
  reset: z.boolean().describe('forget what you hold of the session, then apply the records'),
  records: z.array(recordSchema).describe('ascending; terminals with their text'),
  hasMore: z.boolean().describe('older records exist than the first of these: history.get'),
  turn: z
    .object({ turn: id, attempt: count, state: z.enum(['pending', 'streaming']), ends })
    .exactOptional()
    .describe('the running turn as of `seq`; `ends` is where its deltas begin'),
  createdMs: instantMs,
  metadata: metadata.exactOptional(),
})
