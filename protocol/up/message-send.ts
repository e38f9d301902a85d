import { z } from 'zod'
import { id, metadata, model } from '../shapes.ts'

/** A user's message; begins a turn, and to watch the session. Idempotent by `messageId`: the same content is the same turn. */
export const messageSend = z.object({
  type: z.literal('message.send'),
  id,
  session: id,
  messageId: id,
  content: z.string().min(1),
  replaces: id.exactOptional().describe('the last turn, whose place this message takes: retry, edit'),
  model: model.exactOptional(),
  metadata: metadata.exactOptional(),
  cache: z
    .boolean()
    .exactOptional()
    .describe('the answer that the very same conversation got before may be given again; default false'),
})
