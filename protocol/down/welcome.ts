import { z } from 'zod'
import { count, durationMs, id, instantMs } from '../shapes.ts'
import { protocolVersion } from '../version.ts'

/** Answers `hello`: who one is, how alive is told, and what may be sent. */
export const welcome = z.object({
  type: z.literal('welcome'),
  protocol: z.literal(protocolVersion),
  connection: id.describe('names this socket in logs'),
  subject: z.string(),
  heartbeatMs: durationMs.describe('a ping comes at least this often; dead after three without anything'),
  tokenExpiresAt: instantMs,
  limits: z.object({
    frameBytes: count.describe('the largest frame down'),
    contentBytes: count.describe("the largest message's content, in UTF-8; larger is too-large"),
    framesPerSecond: count,
    watchedSessions: count,
    pageRecords: count,
  }),
})
