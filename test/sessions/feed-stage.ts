import { expect } from 'vitest'
import { Chat } from '../../gateway/chat.ts'
import { Outbox } from '../../gateway/outbox.ts'
import { serveRequest } from '../../gateway/requests.ts'
import type { Feed, GoneReason, Watcher } from '../../sessions/feed.ts'
import { Feeds } from '../../sessions/feeds.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import { LossyLog, ManualTimers } from '../support/lossy-log.ts'
import { MiniReader } from '../support/mini-reader.ts'
import { ScriptedTurn } from '../support/scripted-turn.ts'
import { servedWith } from '../support/served.ts'

export const owner = { tenant: 'default', subject: 'ada' }
const identity = { ...owner, scopes: new Set(['chat', 'history'] as const), expiresAtMs: 1e12 }
export const session = 's1'
/** A session's life after its last use, in milliseconds. */
export const sessionTtlMs = 24 * 3_600_000

/** A store whose publishing is lossy, the feeds on it, and time that passes when told. */
export class FeedStage {
  nowMs = 1
  readonly store = createMemoryLog({ now: () => this.nowMs, ttlMs: sessionTtlMs })
  readonly lossy = new LossyLog(this.store)
  /** What outboxes read of, for readers that their feed cannot serve. */
  readonly served = new LossyLog(this.store)
  readonly timers = new ManualTimers()
  readonly feeds = new Feeds(this.lossy.log, { after: this.timers.after })
  readonly #chat = new Chat(
    this.store,
    { send: () => Promise.reject(new Error('not used here')), offersPrompt: () => true, suspect: () => undefined },
    () => 1,
    (error) => expect(error).toBeUndefined(),
  )

  static async started(): Promise<FeedStage> {
    const stage = new FeedStage()
    await createSession(stage.store)
    return stage
  }

  /** A watcher that keeps what it is told, on a feed that is live. */
  async watch(): Promise<{ readonly feed: Feed; readonly watcher: PlainWatcher }> {
    const watcher = new PlainWatcher()
    const feed = await this.feeds.watch(session, { owner, createdMs: 1 }, watcher)
    if (feed === undefined) throw new Error('the session is gone')
    return { feed, watcher }
  }

  reader(): Watching {
    const reader = new MiniReader()
    const nothing = () => undefined
    const events = { frameSent: nothing, deltaSent: nothing, held: nothing, sessionOpened: nothing }
    return { reader, outbox: new Outbox(reader, this.feeds, this.served.log, events) }
  }

  /** What a client's session.open does. Answers the refusal's kind, if it was refused. */
  async open({ reader, outbox }: Watching): Promise<string | undefined> {
    reader.isDeaf = true
    const cursor = reader.seq > 0 ? { cursor: reader.cursor } : {}
    const served = servedWith(this.#chat, outbox)
    let refused: string | undefined
    await serveRequest(served, identity, { type: 'session.open', id: 'o', session, ...cursor }, (kind) => {
      refused = kind
    })
    return refused
  }

  /** A turn that was accepted and opened. */
  async turn(name: string): Promise<ScriptedTurn> {
    const turn = await ScriptedTurn.accepted(this.store, session, name)
    await turn.open()
    return turn
  }

  /** What a producer on this node does: the store first, then those who watch here. */
  async writeOwn(turn: ScriptedTurn, text: string): Promise<void> {
    this.feeds.producerStarted(session, turn.token)
    const { at, bytes } = await turn.write(text)
    this.feeds.delivered(session, turn.fence, 0, at, bytes)
  }

  async endOwn(turn: ScriptedTurn): Promise<void> {
    await turn.end()
    this.feeds.producerStopped(session, turn.token, true)
  }

  /** Lets everything come that can come by itself. */
  async settle(): Promise<void> {
    for (let round = 0; round < 5; round++) await new Promise(setImmediate)
  }
}

export interface Watching {
  readonly reader: MiniReader
  readonly outbox: Outbox
}

export class PlainWatcher implements Watcher {
  seq = 0
  movedCount = 0
  wentBy: GoneReason | undefined

  moved(): void {
    this.movedCount++
  }

  updated(): void {
    // Metadata is nothing that these tests look at.
  }

  gone(reason: GoneReason): void {
    this.wentBy = reason
  }
}

export async function createSession(log: LossyLog['log']): Promise<void> {
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
}

export function answerPings({ reader, outbox }: Watching): void {
  for (const payload of reader.pings.splice(0)) outbox.pong(payload)
}

/** Ended turns of another history. */
export async function turnsOf(log: LossyLog['log'], count: number, prefix: string): Promise<void> {
  for (let n = 0; n < count; n++) {
    const turn = await ScriptedTurn.accepted(log, session, `${prefix}${n}`)
    await turn.open()
    await turn.write(`${prefix} ${n}`)
    await turn.end()
  }
}

/** All the text of the running turn that a feed has. */
export function textOf(feed: Feed): string | undefined {
  const tape = feed.run?.tapes[0]
  return tape?.text(0, tape.length)
}
