import { z } from 'zod'
import { cursor, id, metadata } from '../shapes.ts'

/** Watch a session, or make one: without `session` a new one, and two opens with one `key` by one subject are one. */
export const sessionOpen = z.object({
  type: z.literal('session.open'),
  id,
  session: id.optional(),
  key: id.optional().describe('idempotency of a creation'),
  prompt: id.optional().describe('the prompt template a new session uses'),
  channel: id.optional().describe('where a new session comes from: web, phone, …'),
  metadata: metadata.optional().describe("a new session's; see session.update"),
  cursor: cursor.optional().describe('what the client already has'),
})
