import { z } from 'zod'
import { pageRecordsMax } from '../limits.ts'
import { id, seq } from '../shapes.ts'

/** A page of records older than `before`, or the latest. */
export const historyGet = z.object({
  type: z.literal('history.get'),
  id,
  session: id,
  before: seq.exactOptional(),
  limit: z.int().min(1).max(pageRecordsMax).exactOptional(),
})
