import { z } from 'zod'
import { id, metadata } from '../shapes.ts'

/** With `ref` to who asked, without to every other watcher. */
export const sessionUpdated = z.object({
  type: z.literal('session.updated'),
  ref: id.exactOptional(),
  session: id,
  metadata,
})
