import { z } from 'zod'
import { pageSessionsMax } from '../limits.ts'
import { id } from '../shapes.ts'

/** The subject's sessions, the latest used first. */
export const sessionList = z.object({
  type: z.literal('session.list'),
  id,
  before: z.string().max(128).exactOptional().describe('the `next` of the page before'),
  limit: z.int().min(1).max(pageSessionsMax).exactOptional(),
})
