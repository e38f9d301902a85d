import { randomUUID } from 'node:crypto'
import type { LogListener, Subscription } from '../session-log.ts'
import type { Keys } from './keys.ts'
import { reconnectMaxMs } from './limits.ts'
import { NewsLine } from './news-line.ts'
import type { RedisLink } from './redis-link.ts'
import type { RedisTarget } from './redis-url.ts'
import { SessionNews } from './session-news.ts'

/**
 * What a node hears of the sessions that it listens to. A node without listeners of a session receives nothing of it.
 *
 * Each Redis node that holds such sessions has one line, a connection of its own: the driver's own sharded
 * subscriptions did not come back after some failovers. A subscription counts from Redis' confirmation on; when its
 * line breaks, or the slot moves, all its listeners are told that it is lost and ask again (STORE A10, B4).
 */
export class News {
  readonly #target: RedisTarget
  readonly #keys: Keys
  readonly #link: RedisLink
  readonly #onUnknown: () => void
  readonly #lines = new Map<string, NewsLine>()
  readonly #sessions = new Map<string, SessionNews>()
  /** Sessions of which it is not known which node holds them. */
  readonly #homeless = new Set<SessionNews>()
  readonly #node = randomUUID().slice(0, 8)
  #placing: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(target: RedisTarget, keys: Keys, link: RedisLink, onUnknown: () => void) {
    this.#target = target
    this.#keys = keys
    this.#link = link
    this.#onUnknown = onUnknown
  }

  subscribe(session: string, listener: LogListener): Subscription {
    if (this.#isClosed) throw new Error('unable to listen to the session store: it is closed')
    const known = this.#sessions.get(session)
    if (known !== undefined) return known.add(listener)
    const news = new SessionNews(session, {
      records: this.#keys.recordsChannel(session),
      deltas: this.#keys.deltasChannel(session),
      changed: () => this.#changed(news),
      lost: () => this.#sessions.delete(session),
      unknown: this.#onUnknown,
    })
    this.#sessions.set(session, news)
    this.#place(news)
    return news.add(listener)
  }

  get sessionCount(): number {
    return this.#sessions.size
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#placing)
    for (const line of this.#lines.values()) line.close()
    this.#lines.clear()
    this.#sessions.clear()
  }

  #changed(news: SessionNews): void {
    if (news.isUnwanted) {
      this.#sessions.delete(news.session)
      this.#homeless.delete(news)
    }
    news.line?.changed(news)
  }

  #place(news: SessionNews): void {
    const node = this.#link.nodeOf(news.records)
    if (node !== undefined) {
      this.#homeless.delete(news)
      return this.#lineOf(node).add(news)
    }
    this.#homeless.add(news)
    this.#placing ??= setTimeout(() => this.#placeAgain(), reconnectMaxMs).unref()
  }

  #placeAgain(): void {
    this.#placing = undefined
    this.#link.refresh()
    for (const news of [...this.#homeless]) this.#place(news)
  }

  #lineOf(node: string): NewsLine {
    const known = this.#lines.get(node)
    if (known !== undefined) return known
    const line = new NewsLine(this.#target, node, {
      heartbeatChannel: (tag) => this.#keys.heartbeatChannel(tag, this.#node),
      beat: (channel) => void this.#link.command('SPUBLISH', channel, '1').catch(() => undefined),
      broke: (waiting) => this.#broke(node, waiting),
    })
    this.#lines.set(node, line)
    return line
  }

  /** Those that wait may have another node by now; a line that nobody needs ends. */
  #broke(node: string, waiting: readonly SessionNews[]): void {
    const line = this.#lines.get(node)
    if (this.#isClosed || line === undefined) return
    this.#link.refresh()
    for (const news of waiting)
      if (this.#link.nodeOf(news.records) !== node) {
        line.drop(news)
        this.#place(news)
      }
    if (line.isIdle) {
      this.#lines.delete(node)
      line.close()
    }
  }
}
