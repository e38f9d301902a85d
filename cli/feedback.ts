import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createRedisLog } from '../sessions/redis/redis-log.ts'
import { type RedisTarget, redisTarget } from '../sessions/redis/redis-url.ts'
import { scanSessions } from '../sessions/redis/scan-sessions.ts'
import type { SessionLog } from '../sessions/session-log.ts'
import { configFromEnvironment } from './environment.ts'
import { type SharedFeedback, sharedFeedback } from './feedback/shared-feedback.ts'

const usage = 'usage: sluice feedback export [--out FILE]      (JSONL; default: standard output)'

/** Sessions that are read at once, and how often and how long apart a store that is away is asked again, in milliseconds. */
const sessionsAtOnce = 8
const readTries = 20
const readAgainMs = 250
/** Progress is told after so many sessions. */
const toldEvery = 1_000

/** Writes what users shared of their feedback. Throws when there is no store to read, or it stays away: what was written is then a part. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { out: { type: 'string' } },
    allowPositionals: true,
  })
  if (positionals.length !== 1 || positionals[0] !== 'export') {
    process.stderr.write(`${usage}\n`)
    return 2
  }
  const { target, prefix } = storeOfEnvironment()
  const log = createRedisLog({ target, prefix })
  try {
    const lines = Readable.from(exportLines(log, scanSessions(target, prefix)))
    if (values.out === undefined) await pipeline(lines, process.stdout, { end: false })
    else await pipeline(lines, createWriteStream(values.out))
  } finally {
    await log.close()
  }
  return 0
}

function storeOfEnvironment(): { target: RedisTarget; prefix: string } {
  const { store } = configFromEnvironment(process.env)
  if (store.kind === 'memory')
    throw new Error(
      'unable to export feedback: without REDIS_URL sessions are in the memory of the gateway, which another process cannot read',
    )
  const target = redisTarget(store.url.reveal(), store.caFile)
  if (target === undefined) throw new Error('unable to export feedback: REDIS_URL is not valid')
  return { target, prefix: store.prefix }
}

async function* exportLines(log: SessionLog, batches: AsyncIterable<readonly string[]>): AsyncGenerator<string> {
  const told = { sessions: 0, lines: 0 }
  // A walk may bring a session twice; those that have something to export are remembered.
  const exported = new Set<string>()
  for await (const batch of batches) {
    const fresh = [...new Set(batch)].filter((session) => !exported.has(session))
    for (let at = 0; at < fresh.length; at += sessionsAtOnce) {
      const some = fresh.slice(at, at + sessionsAtOnce)
      const found = await Promise.all(some.map((session) => readSurely(log, session)))
      for (const [index, lines] of found.entries()) {
        if (lines.length > 0) exported.add(some[index] ?? '')
        for (const line of lines) yield `${JSON.stringify(line)}\n`
        told.lines += lines.length
        if (++told.sessions % toldEvery === 0) tell(told)
      }
    }
  }
  tell(told)
}

/** A store that is away for a moment does not end an export. */
async function readSurely(log: SessionLog, session: string): Promise<readonly SharedFeedback[]> {
  for (let tries = 1; ; tries++) {
    try {
      return await sharedFeedback(log, session)
    } catch (error) {
      if (tries >= readTries) throw error
      await wait(readAgainMs)
    }
  }
}

function tell({ sessions, lines }: { readonly sessions: number; readonly lines: number }): void {
  process.stderr.write(`${sessions} sessions read, ${lines} shared\n`)
}
