import { z } from 'zod'
import { id, instantMs, metadata } from '../shapes.ts'

export const sessionEntry = z.object({
  session: id,
  createdMs: instantMs,
  updatedMs: instantMs.describe('when its last record was written'),
  preview: z.string().describe('the beginning of its first message'),
  metadata: metadata.exactOptional(),
  running: z.boolean().exactOptional().describe('a turn is under way'),
})

/** The latest used first. */
export const sessionPage = z.object({
  type: z.literal('session.page'),
  ref: id,
  sessions: z.array(sessionEntry),
  next: z.string().exactOptional().describe('`before` of the next page; absent on the last'),
})
