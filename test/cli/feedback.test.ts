import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { createRedisLog, type RedisLog } from '../../sessions/redis/redis-log.ts'
import { redisTarget } from '../../sessions/redis/redis-url.ts'
import { startRedisCluster } from '../support/redis-cluster.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { ended, main, run } from './command.ts'

const owner = { tenant: 'acme', subject: 'unmistakable-subject' }
const usage = { inputTokens: 0, outputTokens: 0, source: 'unknown' } as const
const nothing = { bytes: 0, sha256: createHash('sha256').digest('hex') }

interface Given {
  readonly rating: -1 | 0 | 1
  readonly comment?: string
  readonly share?: boolean
}

async function openLog(url: string): Promise<RedisLog> {
  const target = redisTarget(url)
  if (target === undefined) throw new Error(`${url} is no URL of a Redis`)
  const first = Promise.withResolvers<void>()
  const events = { failed: () => undefined, troubled: () => undefined, unknownVersion: () => undefined }
  const log = createRedisLog({ target, events: { ...events, connected: (is) => is && first.resolve() } })
  await first.promise
  return log
}

/** A turn of the session, answered in `attempts` attempts with another version of the prompt each, then what was thought of it. */
async function tell(log: RedisLog, session: string, turn: string, attempts: number, feedback: readonly Given[]) {
  const message = { messageId: turn, content: 'Unmistakable words' }
  const added = { type: 'message.added', timeMs: 1, turn, message } as const
  const claim = { session, messageId: turn, hash: 'h', turn, token: turn, leaseMs: 5_000, record: added }
  expect(await log.accept(claim)).toMatchObject({ kind: 'yours' })
  for (let attempt = 1; attempt <= attempts; attempt++) {
    const prompt = { name: 'default', version: attempt, experiment: 'tone', variant: `v${attempt}` }
    const fields = { timeMs: 1, turn, attempt, model: `model-${attempt}`, prompt }
    const open =
      attempt === 1
        ? ({ type: 'turn.started', ...fields } as const)
        : ({ type: 'turn.restarted', reason: 'lost', ...fields } as const)
    const fence = { token: turn, turn, attempt }
    const text = new Uint8Array(0)
    await log.append({ session, fence, part: 0, at: 0, text, open, leaseMs: 0, maxBytes: 1_000 })
  }
  const fields = { timeMs: 1, turn, attempt: attempts, finishReason: 'stop', usage, ...nothing }
  const record = { type: 'turn.completed', ...fields } as const
  expect(await log.end({ session, token: turn, turn, attempt: attempts, record, parts: [] })).toMatchObject({
    kind: 'ok',
  })
  for (const [index, given] of feedback.entries())
    await log.addFeedback({ session, record: { type: 'feedback.added', timeMs: 100 + index, turn, ...given } })
}

async function exported(url: string): Promise<{ lines: unknown[]; text: string; complained: string }> {
  const { code, said, complained } = await ended(run([main, 'feedback', 'export'], { REDIS_URL: url }))
  if (code !== 0) throw new Error(complained)
  const lines = said
    .trim()
    .split('\n')
    .filter((line) => line !== '')
  return { lines: lines.map((line) => JSON.parse(line)), text: said, complained }
}

test('[FEEDBACK-1] [FEEDBACK-2] the last feedback for each turn is exported where it was shared, with the prompt it is about, and without words or names', async () => {
  await using redis = await startRedisServer()
  const log = await openLog(redis.url)
  const session = 'unmistakable-session'
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  await tell(log, session, 'changed', 2, [
    { rating: -1, share: true },
    { rating: 1, comment: 'Well done', share: true },
  ])
  await tell(log, session, 'withdrawn', 1, [
    { rating: 1, share: true },
    { rating: 1, share: false },
  ])
  await tell(log, session, 'kept-back', 1, [{ rating: 1 }])
  for (let turn = 0; turn < 40; turn++) await tell(log, session, `later-${turn}`, 1, [])
  await tell(log, session, 'shared-later', 1, [{ rating: 0 }, { rating: -1, share: true }])
  await log.close()
  const { lines, text, complained } = await exported(redis.url)
  const pseudonym = createHash('sha256').update(session).digest('base64url').slice(0, 22)
  expect(lines).toEqual([
    {
      session: pseudonym,
      turn: 'changed',
      rating: 1,
      comment: 'Well done',
      model: 'model-2',
      prompt: { name: 'default', version: 2, experiment: 'tone', variant: 'v2' },
      timeMs: 101,
    },
    {
      session: pseudonym,
      turn: 'shared-later',
      rating: -1,
      model: 'model-1',
      prompt: { name: 'default', version: 1, experiment: 'tone', variant: 'v1' },
      timeMs: 101,
    },
  ])
  expect(text.toLowerCase()).not.toContain('unmistakable')
  expect(complained).toBe('1 sessions read, 2 shared\n')
})

test('[FEEDBACK-3] every primary of a cluster is walked, and each session is exported once', async () => {
  await using cluster = await startRedisCluster()
  const log = await openLog(cluster.url)
  const sessions = Array.from({ length: 40 }, (_, index) => `session-${index}`)
  for (const session of sessions) {
    await log.create({ session, owner, attributes: {}, timeMs: 1 })
    await tell(log, session, `turn-of-${session}`, 1, [{ rating: 1, share: true }])
  }
  await log.close()
  const { lines } = await exported(cluster.url)
  const turns = lines.map((line) => (typeof line === 'object' && line !== null && 'turn' in line ? line.turn : line))
  expect(turns.toSorted()).toEqual(sessions.map((session) => `turn-of-${session}`).toSorted())
}, 60_000)

test('[FEEDBACK-4] without a store that can be read it says so, and exports nothing', async () => {
  const nowhere = await ended(run([main, 'feedback', 'export']))
  expect(nowhere).toMatchObject({ code: 1, said: '' })
  expect(nowhere.complained).toMatch(/without REDIS_URL sessions are in the memory of the gateway/)
  const wrong = await ended(run([main, 'feedback', 'import']))
  expect(wrong).toMatchObject({ code: 2, said: '' })
})
