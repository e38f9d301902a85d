import { z } from 'zod'
import { id, refusalSchema } from '../shapes.ts'

/** A request was refused (`ref`), or a frame that was none, or the socket is about to be closed. */
export const error = z.object({
  type: z.literal('error'),
  ref: id.exactOptional(),
  session: id.exactOptional(),
  ...refusalSchema.shape,
})
