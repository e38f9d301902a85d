import { z } from 'zod'
import { token } from '../shapes.ts'

/** Always the first frame, within the deadline. Answered by `welcome`, or by `error` and a close. */
export const hello = z.object({
  type: z.literal('hello'),
  token: token.exactOptional().describe("wins over the upgrade's Authorization header; one of the two is needed"),
  client: z.string().max(128).exactOptional().describe('name and version of the client, for logs'),
})
