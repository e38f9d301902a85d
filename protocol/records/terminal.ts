import { z } from 'zod'
import { cost, count, id, part, position, recordFields, refusalSchema, sha256, usage } from '../shapes.ts'

/**
 * The one end of a turn. `bytes` and `sha256` are of part 0's text as delivered, in UTF-8, and authoritative: a reader
 * that has more cuts. In a page it carries the whole `text`, unless that is too long: then `turn.read` fetches it.
 */
const terminalFields = {
  ...recordFields,
  turn: id,
  attempt: count.describe('the attempt whose text stands; 0: none ever began'),
  finishReason: z.string().describe("the provider's: stop, length, content_filter, …; or cancelled, error"),
  usage,
  cost: cost.exactOptional().describe('absent: the price is not known'),
  bytes: position,
  sha256,
  parts: z
    .array(z.object({ part, kind: z.string(), bytes: position, sha256 }))
    .exactOptional()
    .describe('the other parts'),
  text: z.string().exactOptional().describe('in a page, not live'),
}

export const turnCompleted = z.object({ type: z.literal('turn.completed'), ...terminalFields })
export const turnCancelled = z.object({ type: z.literal('turn.cancelled'), ...terminalFields })
export const turnFailed = z.object({ type: z.literal('turn.failed'), ...terminalFields, error: refusalSchema })
