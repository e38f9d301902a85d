import { type After, Feed, type FeedParts, type GoneReason, type Watcher } from './feed.ts'
import { readsAtOnce } from './feed-limits.ts'
import { ReadGate } from './read-gate.ts'
import type { Fence, SessionInfo, SessionLog } from './session-log.ts'

/** The feeds of a node: one for each session that somebody watches here, made with the first watcher, gone with the last. */
export class Feeds {
  readonly #parts: FeedParts
  readonly #feeds = new Map<string, Feed>()
  /** The tokens of the producers that run here, by session. */
  readonly #producers = new Map<string, string>()

  constructor(log: SessionLog, options: FeedsOptions = {}) {
    const { after = afterMs, checksSilence = false, onRepair = nothing, onLapsed = nothing } = options
    const onGone = (gone: Feed, reason: GoneReason) => this.#dropped(gone, reason)
    this.#parts = { log, after, checksSilence, onRepair, onLapsed, onGone, gate: new ReadGate(readsAtOnce) }
  }

  get size(): number {
    return this.#feeds.size
  }

  /**
   * A live feed, with `watcher` on it from now on; `undefined` when the session is gone. A watcher that came off it
   * meanwhile must be taken off by who put it on.
   */
  async watch(session: string, info: SessionInfo, watcher: Watcher): Promise<Feed | undefined> {
    const feed = this.#feeds.get(session) ?? this.#make(session, info)
    feed.watchers.add(watcher)
    await feed.start()
    return feed.isGone ? undefined : feed
  }

  unwatch(session: string, watcher: Watcher): void {
    const feed = this.#feeds.get(session)
    if (feed === undefined || !feed.watchers.delete(watcher)) return
    if (feed.watchers.size > 0) return feed.releaseEnded()
    this.#feeds.delete(session)
    feed.stop()
  }

  /** A producer on this node began: what carries its token is heard of by `delivered`. */
  producerStarted(session: string, token: string): void {
    this.#producers.set(session, token)
    this.#feeds.get(session)?.producerStarted(token)
  }

  /** Acknowledged text of a turn that runs on this node. */
  delivered(session: string, fence: Fence, part: number, at: number, text: Uint8Array): void {
    this.#feeds.get(session)?.delivered(fence, part, at, text)
  }

  /** It is over. `isEnded`: it wrote its turn's end. */
  producerStopped(session: string, token: string, isEnded: boolean): void {
    if (this.#producers.get(session) === token) this.#producers.delete(session)
    this.#feeds.get(session)?.producerStopped(token, isEnded)
  }

  #make(session: string, info: SessionInfo): Feed {
    const feed = new Feed(session, info, this.#parts, this.#producers.get(session))
    this.#feeds.set(session, feed)
    return feed
  }

  #dropped(feed: Feed, reason: GoneReason): void {
    if (this.#feeds.get(feed.session) === feed) this.#feeds.delete(feed.session)
    for (const watcher of feed.watchers) watcher.gone(reason)
    feed.watchers.clear()
  }
}

export interface FeedsOptions {
  /** Default: timers of the system. */
  readonly after?: After
  /** What the store publishes may be lost: feeds look at it when they hear nothing. Default false. */
  readonly checksSilence?: boolean
  /** A feed found in silence what no message had told of. */
  onRepair?(): void
  /** A feed met a running turn whose lease has lapsed. */
  onLapsed?(session: string, turn: string): void
}

function nothing(): void {
  // Nobody counts.
}

function afterMs(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}
