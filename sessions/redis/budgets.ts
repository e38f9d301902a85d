import {
  hasLimits,
  type Ledger,
  limitNames,
  type ReserveReply,
  type Scope,
  type SettleRequest,
  type Spending,
  type SpentReply,
  type SpentRequest,
  scopesOf,
} from '../budgets/ledger.ts'
import { heldRetryMs, keepScopeMs, rememberTurnMs } from '../budgets/limits.ts'
import { Keys, ownerHash } from './keys.ts'
import { type LinkEvents, RedisLink, type Reply } from './redis-link.ts'
import { kindOf } from './redis-store.ts'
import type { RedisTarget } from './redis-url.ts'
import { count, text } from './replies.ts'
import { loadScripts, type PatchScript, type ScriptName } from './scripts.ts'

export interface RedisLedgerOptions {
  readonly target: RedisTarget
  /** In front of every key. Default `sluice:`. */
  readonly prefix?: string
  /** A session's sum goes so long after its last turn, in milliseconds: as the session does. Default 30 days. */
  readonly sessionTtlMs?: number
  readonly events?: LinkEvents
  /** For tests. */
  readonly patchScript?: PatchScript
}

export interface RedisLedger extends Ledger {
  readonly isConnected: boolean
  close(): Promise<void>
}

/**
 * The books in Redis (7 or later), for all nodes of a store. Each operation is one script on keys of one tenant, by a
 * connection of its own, so that no text of an answer waits behind it.
 *
 * Rejects with `StoreAway`, or with `StoreFull` when Redis has no memory for a reservation; settling goes on then.
 */
export function createRedisLedger(options: RedisLedgerOptions): RedisLedger {
  const { target, prefix = 'sluice:', sessionTtlMs = 30 * 24 * 3_600_000 } = options
  const keys = new Keys(prefix)
  const scripts = loadScripts(options.patchScript)
  const link = new RedisLink(target, options.events ?? quiet)
  const run = (name: ScriptName, names: readonly string[], ...args: readonly (string | number)[]): Promise<Reply> => {
    const script = scripts.get(name)
    if (script === undefined) throw new Error(`unable to run the script ${name}: it was not loaded`)
    return link.run(script, names, args)
  }

  return {
    async reserve(request) {
      const limited = scopesOf(request).filter(({ scope }) => hasLimits(request.limits[scope]))
      if (limited.length === 0) return { kind: 'ok' }
      const names = [turnKey(keys, request), ...limited.flatMap((scope) => scopeKeys(keys, request.tenant, scope))]
      const { id, tokens, micros, forMs, isAdmitted = false } = request
      const limits = limited.flatMap(({ scope }) => limitNames.map((name) => request.limits[scope][name]))
      const times = [forMs, rememberTurnMs, keepScopeMs, heldRetryMs]
      const how = [isAdmitted ? 1 : 0, lettersOf(limited)]
      const reply = await run('budget-reserve', names, id, tokens, micros, ...times, ...how, ...limits)
      return reserveReply(reply, limited)
    },
    async settle(request) {
      const { id, tenant, session, used } = request
      // A script is told all its keys, also one that it has no use for.
      const names = [turnKey(keys, request), sessionKey(keys, tenant, session ?? '')]
      const sumTtlMs = session === undefined ? 0 : sessionTtlMs
      const found = scopesOf(request)
      const all = found.flatMap((scope) => scopeKeys(keys, tenant, scope))
      const amounts = [used === undefined ? 0 : 1, used?.tokens ?? 0, used?.micros ?? 0]
      const times = [rememberTurnMs, keepScopeMs, sumTtlMs]
      await run('budget-settle', [...names, ...all], id, ...amounts, ...times, lettersOf(found))
    },
    async spent(of) {
      const found = scopesOf(of)
      const session = sessionKey(keys, of.tenant, of.session ?? '')
      const names = [session, ...found.flatMap((scope) => scopeKeys(keys, of.tenant, scope))]
      return spentReply(await run('budget-spent', names, keepScopeMs), found, of)
    },
    async forget({ tenant, session }) {
      await link.command('UNLINK', sessionKey(keys, tenant, session))
    },
    get isConnected() {
      return link.isConnected
    },
    close: async () => link.close(),
  }
}

type Named = ReturnType<typeof scopesOf>[number]

/** By which a turn remembers the scopes that it holds something in. */
function lettersOf(named: readonly Named[]): string {
  return named.map(({ scope }) => scope.charAt(0)).join('')
}

/** A name may be anything, so keys have its hash. */
function scopeKeys(keys: Keys, tenant: string, { scope, name }: Named): string[] {
  const hash = scope === 'tenant' ? 'tenant' : `${scope}:${ownerHash({ tenant, subject: name })}`
  return ['c', 'h', 'w'].map((kind) => keys.budget(tenant, `${kind}:${hash}`))
}

function turnKey(keys: Keys, { tenant, id }: Pick<SettleRequest, 'tenant' | 'id'>): string {
  return keys.budget(tenant, `t:${id}`)
}

function sessionKey(keys: Keys, tenant: string, session: string): string {
  return keys.budget(tenant, `n:${session}`)
}

function reserveReply(reply: Reply, limited: readonly Named[]): ReserveReply {
  if (kindOf(reply) === 'ok') return { kind: 'ok' }
  const scope = limited[count(reply[1])]?.scope
  const limit = limitNames.find((name) => name === text(reply[2]))
  if (scope === undefined || limit === undefined) throw new Error('unable to read why a reservation was refused')
  const retryAfterMs = count(reply[3])
  return { kind: 'refused', scope, limit, ...(retryAfterMs < 0 ? {} : { retryAfterMs }) }
}

function spentReply(reply: Reply, found: readonly Named[], { session }: SpentRequest): SpentReply {
  const figures = reply.map((figure) => count(figure))
  const [micros = 0, tokens = 0, ...rest] = figures
  const spendings: Partial<Record<Scope, Spending>> = {}
  for (const [index, { scope }] of found.entries()) {
    const [dayMicros = 0, monthMicros = 0, heldMicros = 0, runningTurns = 0] = rest.slice(4 * index)
    spendings[scope] = { dayMicros, monthMicros, heldMicros, runningTurns }
  }
  return { scopes: spendings, ...(session === undefined ? {} : { session: { tokens, micros } }) }
}

const quiet: LinkEvents = { connected: ignore, failed: ignore, troubled: ignore }

function ignore(): void {
  // Nobody listens.
}
