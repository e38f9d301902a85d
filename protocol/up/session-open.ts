import { z } from 'zod'
import { cursor, id, metadata } from '../shapes.ts'

/** Watch a session, or make one: without `session` a new one, and two opens with one `key` by one subject are one. */
export const sessionOpen = z.object({
  type: z.literal('session.open'),
  id,
  session: id.exactOptional(),
  key: id.exactOptional().describe('idempotency of a creation'),
  prompt: id.exactOptional().describe('the prompt template a new session uses'),
  channel: id.exactOptional().describe('where a new session comes from: web, phone, …'),
  metadata: metadata.exactOptional().describe("a new session's; see session.update"),
  cursor: cursor.exactOptional().describe('what the client already has'),
})
