import { Redis } from 'ioredis'
import { heartbeatMs, missedHeartbeatsMax, subscribeBatch } from './limits.ts'
import type { ConnectionOptions, RedisTarget } from './redis-url.ts'
import { revive } from './revive.ts'
import type { SessionNews } from './session-news.ts'
import { endSilence } from './silence.ts'

export interface NewsLineParts {
  heartbeatChannel(tag: string): string
  /** Publishes there, by the way that commands go. */
  beat(channel: string): void
  /** The connection ended: those that were heard have been told, these wait. */
  broke(waiting: readonly SessionNews[]): void
}

/**
 * One connection to one Redis node, for what it publishes. It is made again by itself; whoever was heard on the one
 * before is told that this is over, and who was not yet waits for the next.
 *
 * A connection can look healthy and bring nothing: to a primary that was cut off, or after a slot moved. So the node
 * hears its own heartbeats, which go the way that the store's commands go.
 */
export class NewsLine {
  readonly #client: Redis
  readonly #parts: NewsLineParts
  readonly #stopReviving: () => void
  readonly #stopLooking: () => void
  readonly #sessions = new Map<string, SessionNews>()
  /** By channel, of those that Redis was asked for. */
  readonly #asked = new Map<string, SessionNews>()
  readonly #dirty = new Set<SessionNews>()
  #isFlushing = false
  #heartbeat: { readonly tag: string; readonly channel: string } | undefined
  #missed = 0
  readonly #beating: NodeJS.Timeout

  constructor(target: RedisTarget, node: string, parts: NewsLineParts) {
    this.#parts = parts
    this.#client = new Redis(optionsFor(target, node))
    this.#client.on('ready', () => this.#flushSoon())
    this.#client.on('close', () => this.#broke())
    this.#client.on('error', () => undefined)
    this.#stopReviving = revive(this.#client)
    this.#stopLooking = endSilence(() => [this.#client])
    // Redis took subscriptions back: a slot moved. Which one it does not say.
    this.#client.on('moved', () => this.#client.stream?.destroy())
    this.#client.on('smessageBuffer', (channel: Buffer, message: Buffer) => this.#told(channel.toString(), message))
    this.#beating = setInterval(() => this.#beat(), heartbeatMs).unref()
  }

  get isIdle(): boolean {
    return this.#sessions.size === 0
  }

  add(news: SessionNews): void {
    news.line = this
    this.#sessions.set(news.session, news)
    this.changed(news)
  }

  drop(news: SessionNews): void {
    this.#sessions.delete(news.session)
    this.#dirty.delete(news)
    news.line = undefined
  }

  /** It wants other channels than before. */
  changed(news: SessionNews): void {
    this.#dirty.add(news)
    this.#flushSoon()
  }

  close(): void {
    clearInterval(this.#beating)
    this.#stopReviving()
    this.#stopLooking()
    this.#client.disconnect()
  }

  #told(channel: string, message: Buffer): void {
    if (channel === this.#heartbeat?.channel) this.#missed = 0
    else this.#asked.get(channel)?.told(channel, message)
  }

  /** What changes within one tick is asked for in one go. */
  #flushSoon(): void {
    if (this.#isFlushing || this.#client.status !== 'ready') return
    this.#isFlushing = true
    queueMicrotask(() => {
      void this.#flush().finally(() => {
        this.#isFlushing = false
        if (this.#dirty.size > 0) this.#flushSoon()
      })
    })
  }

  async #flush(): Promise<void> {
    const batch = [...this.#dirty].slice(0, subscribeBatch)
    for (const news of batch) this.#dirty.delete(news)
    await Promise.all(batch.map((news) => this.#adjust(news)))
  }

  async #adjust(news: SessionNews): Promise<void> {
    const { wanted } = news
    const current = [news.records, news.deltas].filter((channel) => this.#asked.get(channel) === news)
    const added = wanted.filter((channel) => !current.includes(channel))
    const removed = current.filter((channel) => !wanted.includes(channel))
    if (wanted.length === 0 && this.#sessions.get(news.session) === news) this.#sessions.delete(news.session)
    for (const channel of removed) this.#asked.delete(channel)
    for (const channel of added) this.#asked.set(channel, news)
    try {
      // The connection says it for each of them; a slot that moved is refused.
      if (removed.length > 0) void this.#client.sunsubscribe(...removed).catch(() => undefined)
      if (added.length > 0) await this.#client.ssubscribe(...added)
    } catch {
      // Refused, as for a slot that is elsewhere by now, or the connection ended, which tells it by itself.
      if (this.#client.status === 'ready') this.#client.stream?.destroy()
      return
    }
    const isHeard = wanted.every((channel) => this.#asked.get(channel) === news)
    if (isHeard && wanted.length > 0) news.confirmed(wanted)
  }

  #broke(): void {
    this.#asked.clear()
    this.#dirty.clear()
    this.#heartbeat = undefined
    this.#missed = 0
    for (const news of [...this.#sessions.values()]) {
      if (news.isHeard) {
        this.drop(news)
        news.lose()
      } else this.#dirty.add(news)
    }
    this.#parts.broke([...this.#sessions.values()])
  }

  #beat(): void {
    if (this.#client.status !== 'ready') return
    const heartbeat = this.#heartbeat
    if (heartbeat === undefined) return this.#beginHeartbeat()
    if (this.#missed >= missedHeartbeatsMax) {
      this.#client.stream?.destroy()
      return
    }
    this.#missed += 1
    this.#parts.beat(heartbeat.channel)
  }

  /** In the slot of some session that is heard here, so that it comes from this node. */
  #beginHeartbeat(): void {
    const [tag] = this.#sessions.keys()
    if (tag === undefined) return
    const channel = this.#parts.heartbeatChannel(tag)
    this.#client.ssubscribe(channel).then(
      () => {
        this.#heartbeat = { tag, channel }
      },
      () => undefined,
    )
  }
}

function optionsFor(target: RedisTarget, node: string): ConnectionOptions {
  if (target.kind !== 'cluster') return target.options
  const colon = node.lastIndexOf(':')
  return { ...target.options, host: node.slice(0, colon), port: Number(node.slice(colon + 1)) }
}
