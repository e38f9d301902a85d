import { z } from 'zod'
import { id } from '../shapes.ts'

/** To who asked and to every watcher. `lost`: the store came back without it; keep what you show, send anew elsewhere. */
export const sessionDeleted = z.object({
  type: z.literal('session.deleted'),
  ref: id.exactOptional(),
  session: id,
  reason: z.enum(['erased', 'expired', 'lost']).exactOptional(),
})
