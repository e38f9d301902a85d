import { randomBytes } from 'node:crypto'
import { settleGraceMs } from '../orchestrator/limits.ts'
import type { Ledger } from '../sessions/budgets/ledger.ts'
import { createMemoryLedger } from '../sessions/budgets/memory-ledger.ts'
import { createMemoryLog } from '../sessions/memory-log.ts'
import { createRedisLedger } from '../sessions/redis/budgets.ts'
import { createRedisLog } from '../sessions/redis/redis-log.ts'
import { type RedisTarget, redisTarget } from '../sessions/redis/redis-url.ts'
import type { SessionLog } from '../sessions/session-log.ts'
import { firstConnectionMs, storeLookMs } from './bounds.ts'
import type { StoreConfig } from './config/shape.ts'
import type { Telemetry } from './telemetry/ports.ts'

/** The store that the configuration asks for, with what the node must know of it. */
export interface Store {
  readonly log: SessionLog
  /** Why new work should not be sent here; empty: it should. */
  troubles(): readonly string[]
  /** Other nodes write there too, and what they say may be lost: feeds look for it, and turns are handed over. */
  readonly isShared: boolean
  /** What subjects, projects and tenants may use and have used; one for all nodes of this store. */
  readonly ledger: Ledger
  /** The secret that placeholders of redacted values are made with, one for all nodes of this store. */
  redactionSecret(): Promise<Uint8Array>
  /** The secret of development mode, one for all nodes of this store; `undefined`: each node has its own. */
  developmentSecret(): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

const secretBytes = 32

/** Resolves when the store answers for the first time. Rejects, with what to do, when it does not in a bounded time. */
export async function openStore(config: StoreConfig, telemetry: Telemetry): Promise<Store> {
  return config.kind === 'redis' ? openRedis(config, telemetry) : givenStore(memoryLog(config))
}

/** A store of this process alone. */
export function givenStore(log: SessionLog): Store {
  return {
    log,
    troubles: () => [],
    isShared: false,
    ledger: createMemoryLedger(),
    redactionSecret: async () => randomBytes(secretBytes),
    developmentSecret: async () => undefined,
    close: () => log.close(),
  }
}

function memoryLog(config: Extract<StoreConfig, { kind: 'memory' }>): SessionLog {
  const { maxSessionCount, maxBytes, shares, sessionTtlMs } = config
  return createMemoryLog({ maxSessions: maxSessionCount, maxBytes, ...shares, ttlMs: sessionTtlMs })
}

async function openRedis(config: Extract<StoreConfig, { kind: 'redis' }>, telemetry: Telemetry): Promise<Store> {
  const { url, caFile, prefix, waitReplicas, shares, sessionTtlMs } = config
  const target = readTarget(url.reveal(), caFile)
  let problem = ''
  let wasConnected = false
  const connections = { log: Promise.withResolvers<void>(), ledger: Promise.withResolvers<void>() }
  const failed = (message: string) => {
    problem = message
  }
  const troubled = (code: string, message: string) =>
    telemetry.log.error({ code, problem: message }, 'Redis refuses what the store needs')
  const log = createRedisLog({
    target,
    prefix,
    waitReplicas,
    ...shares,
    ttlMs: sessionTtlMs,
    eraseAgainMs: settleGraceMs,
    events: {
      connected(isConnected) {
        telemetry.store.connected(isConnected)
        if (!isConnected) telemetry.log.warn({}, 'Redis does not answer: messages are refused until it does')
        else if (wasConnected) telemetry.log.info({}, 'Redis answers again')
        wasConnected ||= isConnected
        if (isConnected) connections.log.resolve()
      },
      failed,
      troubled,
      unknownVersion: () => telemetry.store.unknownVersion(),
    },
  })
  const ledger = createRedisLedger({
    target,
    prefix,
    sessionTtlMs,
    events: { connected: (isConnected) => isConnected && connections.ledger.resolve(), failed, troubled },
  })
  const late = Promise.withResolvers<never>()
  const deadline = setTimeout(() => late.reject(new Error(unreachable(problem))), firstConnectionMs)
  try {
    await Promise.race([late.promise, Promise.all([connections.log.promise, connections.ledger.promise])])
  } catch (error) {
    await ledger.close()
    await log.close()
    throw error
  } finally {
    clearTimeout(deadline)
  }
  const watched = watchStore(log.warnings, telemetry)
  return {
    log,
    isShared: true,
    ledger,
    redactionSecret: () => log.share('redaction-secret', () => randomBytes(secretBytes)),
    troubles: () => (log.isConnected ? watched.current() : ['the session store does not answer']),
    developmentSecret: () => log.share('development-secret', () => randomBytes(secretBytes)),
    async close() {
      watched.stop()
      await ledger.close()
      await log.close()
    },
  }
}

function readTarget(url: string, caFile: string | undefined): RedisTarget {
  try {
    const target = redisTarget(url, caFile)
    if (target !== undefined) return target
  } catch (error) {
    throw new Error(`unable to start: SLUICE_REDIS_CA_FILE cannot be read: ${String(error)}`)
  }
  throw new Error('unable to start: REDIS_URL is not valid')
}

function unreachable(problem: string): string {
  const said = problem === '' ? '' : ` (${problem})`
  return `unable to start: the session store does not answer${said}; check REDIS_URL and that Redis 7 or later is running there, or unset it to keep sessions in memory`
}

/**
 * What is wrong with Redis though it is connected, as of the last look: what of it does not answer, or what the operator
 * should change, since settings change while it runs.
 */
function watchStore(ask: () => Promise<readonly string[]>, { log }: Telemetry) {
  let current: readonly string[] = []
  const look = async () => {
    const found = await ask().catch(() => undefined)
    for (const warning of found ?? []) if (!current.includes(warning)) log.warn({ warning }, 'Redis is set dangerously')
    current = found ?? ['not all of the session store answers']
  }
  void look()
  const timer = setInterval(() => void look(), storeLookMs).unref()
  return { current: () => current, stop: () => clearInterval(timer) }
}
