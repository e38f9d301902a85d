import { expect, test } from 'vitest'
import { joinedAppendsMax } from '../../sessions/redis/limits.ts'
import type { AppendRequest, Fence, SessionLog } from '../../sessions/session-log.ts'
import { appending, asking, expectKind, started } from '../sessions/contract/bench.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startRedisServer } from '../support/redis-server.ts'

/** Appends to many tapes that leave together. What one append does is the contract's (`STORE-30` and following). */

const kept = 'é😀'
const at = Buffer.byteLength(kept)

test('[REDIS-65] of appends that are asked together each has its own reply, and none fails the others', {
  timeout: 30_000,
}, async () => {
  await using redis = await startRedisServer()
  const { log, prefix } = await openRedisLog(redis)
  await using _closing = { [Symbol.asyncDispose]: () => log.close() }
  const fence = await startTurns(log, ['right', 'ahead', 'behind', 'full', 'cancelled', 'broken', 'erased', 'last'])
  await log.cancel({ session: 'cancelled', turn: fence.turn })
  await log.erase('erased')
  // Nothing that the store does: a tape that is no text.
  const broken = `${prefix}{broken}t:${fence.turn}:1:0`
  await redis.client.multi().del(broken).hset(broken, 'a', 'b').exec()
  const said = await allSettled(log, [
    of('right', fence, at, ' more'),
    of('ahead', fence, at + 3, ' more'),
    of('behind', fence, at - 1, ' more'),
    of('full', fence, at, ' more', { maxBytes: at + 1 }),
    of('cancelled', fence, at, ' more'),
    of('broken', fence, at, ' more'),
    of('erased', fence, at, ' more'),
    { ...of('right', fence, at, ' more'), fence: { ...fence, token: 'another' } },
    of('last', fence, at, 'ü'),
  ])
  expect(said).toEqual([
    { kind: 'ok', length: at + 5 },
    { kind: 'ok', length: at },
    { kind: 'ok', length: at },
    { kind: 'full', length: at },
    { kind: 'cancel', attempt: 1, length: at },
    'WRONGTYPE',
    { kind: 'gone' },
    { kind: 'stale' },
    { kind: 'ok', length: at + 2 },
  ])
  expect(await textOf(log, 'right', fence)).toBe(`${kept} more`)
  expect(await textOf(log, 'last', fence)).toBe(`${kept}ü`)
})

test('[REDIS-66] appends that are asked at once leave in few commands, each of a bounded size', {
  timeout: 30_000,
}, async () => {
  await using redis = await startRedisServer()
  const { log } = await openRedisLog(redis)
  await using _closing = { [Symbol.asyncDispose]: () => log.close() }
  const names = Array.from({ length: joinedAppendsMax * 2 + 1 }, (_, n) => `s${n}`)
  const fence = await startTurns(log, names)
  const few = await commandsFor(redis, () =>
    allSettled(
      log,
      names.map((name) => of(name, fence, at, ' a')),
    ),
  )
  expect(few).toBe(3)
  // Long ones are joined by their length.
  const long = 'x'.repeat(30_000)
  const some = names.slice(0, 8)
  const more = await commandsFor(redis, () =>
    allSettled(
      log,
      some.map((name) => of(name, fence, at + 2, long)),
    ),
  )
  expect(more).toBe(4)
  for (const name of some) expect(await textOf(log, name, fence)).toBe(`${kept} a${long}`)
})

test('[REDIS-67] with Redis gone they are refused, each of them, and taken when it is back', {
  timeout: 30_000,
}, async () => {
  await using redis = await startRedisServer({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const { log } = await openRedisLog(redis)
  await using _closing = { [Symbol.asyncDispose]: () => log.close() }
  const names = Array.from({ length: 10 }, (_, n) => `s${n}`)
  const fence = await startTurns(log, names)
  redis.process.kill('SIGSTOP')
  const asked = allSettled(
    log,
    names.map((name) => of(name, fence, at, ' a')),
  )
  await redis.kill()
  expect(new Set(await asked)).toEqual(new Set(['StoreAway']))
  await redis.restart()
  const again = names.map((name) => of(name, fence, at, ' a'))
  await expect
    .poll(() => allSettled(log, again), { timeout: 10_000 })
    .toEqual(names.map(() => ({ kind: 'ok', length: at + 2 })))
})

/** One running turn each, with the same fence and the text `kept`. */
async function startTurns(log: SessionLog, names: readonly string[]): Promise<Fence> {
  const fence = { token: 'token-1', turn: 'turn-1', attempt: 1 }
  for (const session of names) {
    await log.create({ session, owner: { tenant: 't', subject: session }, attributes: {}, timeMs: 1 })
    expectKind(await log.accept({ ...asking(1), session, leaseMs: 60_000 }), 'yours')
    expectKind(await log.append({ ...appending(fence, 0, kept, { open: started(fence.turn, 1) }), session }), 'ok')
  }
  return fence
}

function of(
  session: string,
  fence: Fence,
  from: number,
  text: string,
  over: Partial<AppendRequest> = {},
): AppendRequest {
  return { ...appending(fence, from, text, over), session }
}

/** The replies; of one that was rejected what it said. */
function allSettled(log: SessionLog, asked: readonly AppendRequest[]): Promise<unknown[]> {
  return Promise.all(asked.map((request) => log.append(request).catch(nameOf)))
}

function nameOf(error: unknown): string {
  const { name, message } = error as Error
  return /WRONGTYPE/.exec(message)?.[0] ?? name
}

async function textOf(log: SessionLog, session: string, { turn }: Fence): Promise<string> {
  const { text } = expectKind(await log.read({ session, turn, part: 0, at: 0, maxBytes: 100_000 }), 'ok')
  return text.toString()
}

/** How many scripts Redis was asked meanwhile. */
async function commandsFor(
  { client }: { readonly client: import('ioredis').Redis },
  run: () => Promise<unknown>,
): Promise<number> {
  await client.config('RESETSTAT')
  await run()
  const stats = await client.info('commandstats')
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])
}
