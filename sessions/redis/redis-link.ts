import slotOf from 'cluster-key-slot'
import { Cluster, Redis } from 'ioredis'
import { redirectionsMax } from './limits.ts'
import type { RedisTarget } from './redis-url.ts'
import { ReplicaWait, type Waiting } from './replica-wait.ts'
import { revive } from './revive.ts'
import type { Script } from './scripts.ts'
import { endSilence } from './silence.ts'

/** The store did not answer: whether the operation took place is not known, and it may be repeated. */
export class StoreAway extends Error {
  override readonly name = 'StoreAway'
  /** What Redis or the system said first, e.g. `READONLY`, `ECONNREFUSED`. */
  readonly code: string

  constructor(code: string) {
    super(`the session store does not answer: ${code}`)
    this.code = code
  }
}

/** Redis has no memory left for this. */
export class StoreFull extends Error {
  override readonly name = 'StoreFull'
}

export type Argument = string | number | Buffer
/** What scripts answer, as the driver gives it: texts are Buffers. */
export type Reply = readonly Value[]
export type Value = Buffer | number | null | readonly Value[]

export interface LinkEvents {
  /** A connection was made, or lost. */
  connected(isConnected: boolean): void
  /** A connection could not be made, or broke: what the system, TLS or Redis said. Tried again all the same. */
  failed(problem: string): void
  /** A mistake in a script or in Redis' permissions, which no repeating heals; its message has no user's text. */
  troubled(code: string, message: string): void
}

/**
 * The connection that commands go by. It holds nothing back and repeats nothing: while there is no connection
 * everything is rejected at once, and one that owes an answer for too long is destroyed.
 */
export class RedisLink {
  readonly #client: Redis | Cluster
  readonly #events: LinkEvents
  /** How often a connection ended or something that was asked failed. */
  breaks = 0
  readonly #stopReviving: () => void
  readonly #stopLooking: () => void
  /** By the connection: in a cluster there is one for each node. */
  readonly #waits = new WeakMap<Redis, ReplicaWait>()

  constructor(target: RedisTarget, events: LinkEvents) {
    this.#events = events
    this.#client = openClient(target)
    this.#client.on('ready', () => events.connected(true))
    this.#client.on('close', () => {
      this.breaks += 1
      events.connected(false)
    })
    // Each is also the rejection of whatever was asked; without a listener the driver writes it to the console.
    this.#client.on('error', (error: Error) => events.failed(reasonOf(error)))
    this.#stopReviving = revive(this.#client)
    this.#stopLooking = endSilence(() => nodesOf(this.#client))
  }

  get isConnected(): boolean {
    return this.#client.status === 'ready'
  }

  /** The cluster's node that holds a key or channel, as `host:port`; where there is no cluster always the same name. */
  nodeOf(key: string): string | undefined {
    return this.#client instanceof Cluster ? this.#client.slots[slotOf(key)]?.[0] : onlyNode
  }

  /** How many servers hold the sessions between them. */
  get primaryCount(): number {
    return this.#client instanceof Cluster ? Math.max(this.#client.nodes('master').length, 1) : 1
  }

  /** Keys of the same place may be in one script: all, or in a cluster those of one slot. */
  placeOf(key: string): string | number {
    return this.#client instanceof Cluster ? slotOf(key) : onlyNode
  }

  /** Asks the cluster anew which node holds what. */
  refresh(): void {
    if (this.#client instanceof Cluster && this.isConnected) this.#client.refreshSlotsCache(() => undefined)
  }

  /** Rejects unless each node that holds sessions answers and, in a cluster, finds all slots served. */
  async check(): Promise<void> {
    const client = this.#client
    if (!(client instanceof Cluster)) return void (await client.ping())
    const holders = new Set(client.slots.map((nodes) => nodes[0]))
    await Promise.all([...holders].map((holder) => checkSlots(nodeAt(client, holder))))
  }

  run(script: Script, keys: readonly string[], args: readonly Argument[]): Promise<Reply> {
    return this.#asking(evaluate(this.#client, script, keys, args))
  }

  /** A plain command, for what needs no script. */
  command(name: string, ...args: readonly Argument[]): Promise<Value> {
    return this.#asking(this.#client.callBuffer(name, ...args))
  }

  /**
   * A script, and the wait until so many replicas have what it wrote, at most `waitMs` milliseconds. Rejects when they
   * do not: nothing is undone, and the same operation, repeated, waits again (STORE B7).
   */
  runDurably(script: Script, keys: readonly string[], args: readonly Argument[], wait: Waiting): Promise<Reply> {
    const node = this.#nodeFor(keys[0] ?? '')
    if (node === undefined) return Promise.reject(new StoreAway('CLUSTERDOWN'))
    const waits = this.#waits.get(node) ?? new ReplicaWait(node, wait)
    this.#waits.set(node, waits)
    return this.#asking(waits.run(() => evaluate(node, script, keys, args)))
  }

  /** Whether replicas of the key's node are waited for in vain just now. */
  isShort(key: string): boolean {
    const node = this.#nodeFor(key)
    return node !== undefined && this.#waits.get(node)?.isShort === true
  }

  close(): void {
    this.#stopReviving()
    this.#stopLooking()
    this.#client.disconnect()
  }

  /** In a cluster the node that holds the key's slot, as far as is known. */
  #nodeFor(key: string): Redis | undefined {
    const client = this.#client
    if (!(client instanceof Cluster)) return client
    return nodeAt(client, client.slots[slotOf(key)]?.[0])
  }

  async #asking<Answer>(answer: Promise<unknown>): Promise<Answer> {
    try {
      // What a command answers is known to its caller alone.
      return (await answer) as Answer
    } catch (error) {
      this.breaks += 1
      throw this.#asAway(error)
    }
  }

  #asAway(error: unknown): Error {
    if (error instanceof StoreAway) return error
    const message = error instanceof Error ? error.message : String(error)
    const code = codeOf(error, message)
    if (code === 'OOM') return new StoreFull('Redis has no memory left')
    // Another node may hold the slot by now. (The driver follows MOVED itself, but for what was asked of one node.)
    if (code === 'MOVED' || code === 'CLUSTERDOWN') this.refresh()
    if (permanentCodes.has(code)) this.#events.troubled(code, message.slice(0, 200))
    return new StoreAway(code)
  }
}

/** `place` as the driver's list of slots has it. */
function nodeAt(cluster: Cluster, place: string | undefined): Redis | undefined {
  return cluster.nodes('master').find(({ options: { host, port } }) => `${host}:${port}` === place)
}

async function checkSlots(node: Redis | undefined): Promise<void> {
  const info = String(await node?.call('CLUSTER', 'INFO'))
  const isWhole = info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${slotCount}\r`)
  if (!isWhole) throw new StoreAway('CLUSTERDOWN')
}

function nodesOf(client: Redis | Cluster): readonly Redis[] {
  return client instanceof Cluster ? client.nodes() : [client]
}

/** Of a cluster, see Redis Cluster specification, "key distribution model". */
const slotCount = 16_384

/** The name of a store's one node. */
const onlyNode = 'redis'

/** What a script answers is known to its caller alone, hence the types. */
async function evaluate(
  client: Redis | Cluster,
  script: Script,
  keys: readonly string[],
  args: readonly Argument[],
): Promise<Reply> {
  try {
    return (await client.callBuffer('EVALSHA', script.sha1, keys.length, ...keys, ...args)) as Reply
  } catch (error) {
    if (!isUnknownScript(error)) throw error
    return (await client.callBuffer('EVAL', script.source, keys.length, ...keys, ...args)) as Reply
  }
}

export function openClient(target: RedisTarget): Redis | Cluster {
  if (target.kind !== 'cluster') return new Redis(target.options)
  return new Cluster([...target.nodes], {
    // One that loads its data says so to each command: waiting for it would hold these back.
    redisOptions: { ...target.options, enableReadyCheck: false },
    enableOfflineQueue: false,
    enableReadyCheck: true,
    // What an incomplete cluster refuses is refused.
    retryDelayOnClusterDown: 0,
    maxRedirections: redirectionsMax,
    slotsRefreshTimeout: 1_000,
    slotsRefreshInterval: 2_000,
    clusterRetryStrategy: () => 100 + Math.random() * 100,
  })
}

/** A cluster's failure is that of the node that was asked last. */
function reasonOf(error: Error): string {
  return 'lastNodeError' in error && error.lastNodeError instanceof Error ? error.lastNodeError.message : error.message
}

/** What no waiting heals. */
const permanentCodes = new Set(['ERR', 'NOPERM', 'NOAUTH', 'WRONGPASS', 'WRONGTYPE', 'NOSCRIPT', 'CROSSSLOT'])

function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

function codeOf(error: unknown, message: string): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return /^[A-Z]{3,}\b/.exec(message)?.[0] ?? 'CLOSED'
}
