import { randomUUID } from 'node:crypto'
import type { Ledger, ReserveReply, ReserveRequest, ScopeLimits, SettleRequest } from '../../sessions/budgets/ledger.ts'
import { createRedisLedger, type RedisLedger, type RedisLedgerOptions } from '../../sessions/redis/budgets.ts'
import { Keys } from '../../sessions/redis/keys.ts'
import { type RedisTarget, redisTarget } from '../../sessions/redis/redis-url.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'

/** Two nodes' ways to the same books, and the books' clock, which stands still until it is set. */
export interface LedgerUnderTest {
  readonly nodes: readonly [Ledger, Ledger]
  setNow(nowMs: number): Promise<void>
}

export type MakeLedger = () => Promise<LedgerUnderTest>

/** A Saturday in the middle of a month and a day, at the beginning of a second. */
export const noonMs = Date.UTC(2026, 7, 15, 12)

export const unlimited: ScopeLimits = {
  messagesPerMinute: 0,
  tokensPerMinute: 0,
  runningTurns: 0,
  microsPerDay: 0,
  microsPerMonth: 0,
}
export const tenants = ['acme', 'other'] as const
const free = { subject: unlimited, project: unlimited, tenant: unlimited }

export type Limits = { readonly [Name in keyof ReserveRequest['limits']]?: Partial<ScopeLimits> }

export function limited(limits: Limits): ReserveRequest['limits'] {
  const { subject, project, tenant } = limits
  return {
    subject: { ...free.subject, ...subject },
    project: { ...free.project, ...project },
    tenant: { ...free.tenant, ...tenant },
  }
}

const spender = { tenant: 'acme', project: 'search', subject: 'ada' }

export function reserving(id: string, limits: Limits, more: Partial<ReserveRequest> = {}): ReserveRequest {
  return { ...spender, id, tokens: 10, micros: 100, forMs: 60_000, limits: limited(limits), ...more }
}

export function settling(id: string, used: SettleRequest['used'], more: Partial<SettleRequest> = {}): SettleRequest {
  return { ...spender, id, session: 'session-1', ...(used && { used }), ...more }
}

export const whole = { ...spender, session: 'session-1' }

/** As often as it is told, by both nodes in turn, all at once. */
export function reserveAtOnce({ nodes }: LedgerUnderTest, times: number, make: (n: number) => ReserveRequest) {
  const asked = Array.from({ length: times }, (_, n) => nodes[n % 2 === 0 ? 0 : 1].reserve(make(n)))
  return Promise.all(asked)
}

export function countOk(replies: readonly ReserveReply[]): number {
  return replies.filter(({ kind }) => kind === 'ok').length
}

/** The time is a key in the slot that the script's keys are in. */
const virtualClock: PatchScript = (_name, source) => {
  const [first, ...rest] = source.split('\n')
  const time = `local function virtualTime()
    local ms = tonumber(redis.call('GET', string.match(KEYS[1], '^.-{.-}') .. 'now'))
    return { tostring(math.floor(ms / 1000)), tostring(ms % 1000 * 1000) }
  end`
  return [first, time, ...rest].join('\n').replaceAll(/= redis\.call\('TIME'\)$/gm, '= virtualTime()')
}

export interface RedisUnderTest extends LedgerUnderTest, AsyncDisposable {
  readonly keys: Keys
}

export async function openRedisLedgers(
  url: string,
  set: (key: string, value: number) => Promise<unknown>,
  target = targetOf(url),
): Promise<RedisUnderTest> {
  // As the documented user may touch it.
  const prefix = `sluice:t${randomUUID().slice(0, 8)}:`
  const keys = new Keys(prefix)
  const setNow = async (nowMs: number) => {
    for (const tenant of tenants) await set(keys.budget(tenant, 'now'), nowMs)
  }
  await setNow(noonMs)
  const open = () => connectedLedger({ target, prefix, patchScript: virtualClock })
  const nodes = [await open(), await open()] as const
  return {
    nodes,
    keys,
    setNow,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node.close()
    },
  }
}

export async function connectedLedger(options: RedisLedgerOptions): Promise<RedisLedger> {
  const connected = Promise.withResolvers<void>()
  const ledger = createRedisLedger({
    ...options,
    events: {
      connected: (isConnected) => isConnected && connected.resolve(),
      failed: () => undefined,
      troubled: (code, message) => {
        throw new Error(`${code}: ${message}`)
      },
    },
  })
  await connected.promise
  return ledger
}

export function targetOf(url: string): RedisTarget {
  const target = redisTarget(url)
  if (target === undefined) throw new Error(`no target: ${url}`)
  return target
}
