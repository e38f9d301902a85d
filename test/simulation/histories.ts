import { vi } from 'vitest'
import type { RedisLog } from '../../sessions/redis/redis-log.ts'
import { createRedisLog } from '../../sessions/redis/redis-log.ts'
import { redisTarget } from '../../sessions/redis/redis-url.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'
import { type RedisServer, startRedisServer } from '../support/redis-server.ts'
import { check } from './check.ts'
import type { Plan } from './plan.ts'
import { Chance } from './random.ts'
import type { NodePlants } from './sim-node.ts'
import { World } from './world.ts'

const prefix = 'sim:'
const stepsMin = 40
const stepsMax = 110

/** A fault that is put into the product on purpose, to see that the checker finds it. */
export interface Plant {
  readonly scripts?: PatchScript
  readonly nodes?: NodePlants
  /** Puts a fault into the code itself, and answers how to take it out. */
  readonly code?: () => () => void
}

/** A real Redis, and connections of two nodes to it, for histories one after the other. */
export class Histories implements AsyncDisposable {
  readonly counts = new Map<string, number>()
  readonly #server: RedisServer
  readonly #logs: readonly RedisLog[]
  readonly #markers: (() => Promise<void>)[]
  readonly #plant: Plant

  private constructor(server: RedisServer, logs: readonly RedisLog[], markers: (() => Promise<void>)[], plant: Plant) {
    this.#server = server
    this.#logs = logs
    this.#markers = markers
    this.#plant = plant
  }

  static async start(plant: Plant = {}): Promise<Histories> {
    const server = await startRedisServer()
    const logs = [openLog(server, plant), openLog(server, plant)]
    const markers = await Promise.all(logs.map((log) => markerOf(log, server)))
    return new Histories(server, logs, markers, plant)
  }

  /** What is wrong with the history of this seed; nothing: it is as it should be. */
  async run(seed: number, plan: Plan): Promise<readonly string[]> {
    await this.#server.client.flushall()
    vi.useFakeTimers({
      // The real connections judge their silence by the performance clock, which goes on.
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'],
      now: 1_700_000_000_000,
    })
    const random = new Chance(seed ^ 0x5bd1e995)
    const chance = vi.spyOn(Math, 'random').mockImplementation(() => random.next())
    const undo = this.#plant.code?.()
    let takeOvers = 0
    const world = new World({
      seed,
      plan,
      logs: this.#logs,
      prefix,
      client: this.#server.client,
      heard: async () => void (await Promise.all(this.#markers.map((marker) => marker()))),
      plants: this.#plant.nodes ?? {},
      count: (what) => {
        if (what.startsWith('take-over')) takeOvers += 1
        this.#count(what)
      },
    })
    try {
      await world.begin()
      const steps = world.chance.between(stepsMin, stepsMax)
      for (let step = 0; step < steps; step += 1) await world.step()
      await world.rest()
      this.#tally(world)
      return await check(world, this.#logs[0] ?? failing(), takeOvers)
    } catch (error) {
      return [error instanceof Error ? (error.stack ?? error.message) : String(error)]
    } finally {
      for (const node of world.nodes) if (node.isAlive) node.kill()
      undo?.()
      chance.mockRestore()
      vi.useRealTimers()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const log of this.#logs) await log.close()
    await this.#server[Symbol.asyncDispose]()
  }

  #tally(world: World): void {
    this.#count('histories')
    this.#count('messages', world.sentIds.length)
    this.#count('resets', world.resets)
    for (const { state } of world.devices) {
      this.#count('resends', state.stats.resends)
      this.#count('reconnects', Math.max(0, state.stats.reconnects))
    }
  }

  #count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }
}

function failing(): never {
  throw new Error('there is no store')
}

function openLog(server: RedisServer, plant: Plant): RedisLog {
  const target = redisTarget(server.url)
  if (target === undefined) throw new Error('no target')
  const scripts: PatchScript = (name, source) => virtualClock(plant.scripts?.(name, source) ?? source)
  return createRedisLog({ target, prefix, patchScript: scripts })
}

/** The store's time is a key that the world writes. */
function virtualClock(source: string): string {
  const [first, ...rest] = source.split('\n')
  const time = `local function virtualTime()
    local ms = tonumber(redis.call('GET', '${prefix}now') or 0)
    return { tostring(math.floor(ms / 1000)), tostring(ms % 1000 * 1000) }
  end`
  return [first, time, ...rest].join('\n').replaceAll(/= redis\.call\('TIME'\)$/gm, '= virtualTime()')
}

/**
 * Resolves when all that was published before is heard on this log's connection. Rejects when that broke, as where Redis
 * got no processor for more than a second: real connections come back in virtual time, for which nobody would wait.
 */
async function markerOf(log: RedisLog, server: RedisServer): Promise<() => Promise<void>> {
  let heard = Promise.withResolvers<void>()
  heard.resolve()
  let broken: Error | undefined
  const confirmed = Promise.withResolvers<void>()
  const nothing = () => undefined
  const subscribe = () => {
    try {
      log.subscribe('marker', {
        confirmed: confirmed.resolve,
        lost() {
          broken = new Error('the real connection to Redis broke')
          heard.reject(broken)
        },
        record: nothing,
        delta: nothing,
        nudge: () => heard.resolve(),
        updated: nothing,
        erased: nothing,
      })
    } catch {
      confirmed.reject(new Error('unable to listen for the marker'))
    }
  }
  subscribe()
  await confirmed.promise
  return async () => {
    if (broken !== undefined) throw broken
    heard = Promise.withResolvers<void>()
    await Promise.all([server.client.spublish(`${prefix}{marker}r`, '1 nudge renew'), heard.promise])
  }
}
