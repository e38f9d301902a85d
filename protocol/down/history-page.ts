import { z } from 'zod'
import { recordSchema } from '../record.ts'
import { id } from '../shapes.ts'

/** Ascending; may hold fewer than asked for, since a frame is bounded. */
export const historyPage = z.object({
  type: z.literal('history.page'),
  ref: id,
  session: id,
  records: z.array(recordSchema),
  hasMore: z.boolean().describe('older ones exist'),
})
