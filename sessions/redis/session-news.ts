import type { LogListener, Subscription } from '../session-log.ts'
import type { NewsLine } from './news-line.ts'
import { readDelta, readNews, type Telling } from './news-message.ts'

export interface SessionNewsParts {
  readonly records: string
  readonly deltas: string
  /** Other channels are wanted than before, or none. */
  changed(): void
  /** All listeners were told that it is lost; it is of no use any more. */
  lost(): void
  unknown(): void
}

interface Member extends Subscription {
  readonly listener: LogListener
  isConfirmed: boolean
  hearsDeltas: boolean
}

/** Who listens to one session on this node, and through which of its two channels. */
export class SessionNews {
  readonly session: string
  readonly records: string
  readonly deltas: string
  line: NewsLine | undefined
  readonly #parts: SessionNewsParts
  #members: readonly Member[] = []
  /** What Redis has confirmed. */
  #heard: ReadonlySet<string> = new Set()

  constructor(session: string, parts: SessionNewsParts) {
    this.session = session
    this.#parts = parts
    this.records = parts.records
    this.deltas = parts.deltas
  }

  get isUnwanted(): boolean {
    return this.#members.length === 0
  }

  get isHeard(): boolean {
    return this.#heard.size > 0
  }

  /** The channels that somebody wants to hear. */
  get wanted(): readonly string[] {
    if (this.#members.length === 0) return []
    return this.#members.some((member) => member.hearsDeltas) ? [this.records, this.deltas] : [this.records]
  }

  add(listener: LogListener): Subscription {
    const member: Member = {
      listener,
      isConfirmed: false,
      hearsDeltas: true,
      hearDeltas: (wanted) => this.#hear(member, wanted),
      close: () => this.#remove(member),
    }
    this.#members = [...this.#members, member]
    this.#parts.changed()
    // So that the caller has its subscription by then.
    queueMicrotask(() => this.#confirm())
    return member
  }

  /** Redis confirmed that these channels, and no others, are heard from now on. */
  confirmed(channels: readonly string[]): void {
    this.#heard = new Set(channels)
    this.#confirm()
  }

  told(channel: string, message: Buffer): void {
    if (channel === this.deltas) {
      const telling = readDelta(message, this.#parts.unknown)
      if (telling) this.#tell(telling, (member) => member.isConfirmed && member.hearsDeltas)
    } else {
      const telling = readNews(message, this.#parts.unknown)
      if (telling) this.#tell(telling, (member) => member.isConfirmed)
    }
  }

  /** What is published from now on is missed. */
  lose(): void {
    const members = this.#members
    this.#members = []
    this.#parts.lost()
    for (const { listener } of members) listener.lost()
  }

  /** Whoever closes while it is told hears nothing more. */
  #tell(telling: Telling, mayHear: (member: Member) => boolean): void {
    for (const member of this.#members) if (mayHear(member) && this.#members.includes(member)) telling(member.listener)
  }

  #confirm(): void {
    for (const member of this.#members) {
      if (member.isConfirmed || !this.#hears(member)) continue
      member.isConfirmed = true
      member.listener.confirmed()
    }
  }

  #hears(member: Member): boolean {
    return this.#heard.has(this.records) && (!member.hearsDeltas || this.#heard.has(this.deltas))
  }

  /** Who wants deltas that were not heard for a while is told again when they are, since it missed some. */
  #hear(member: Member, wanted: boolean): void {
    if (member.hearsDeltas === wanted || !this.#members.includes(member)) return
    member.hearsDeltas = wanted
    if (wanted && !this.#hears(member)) member.isConfirmed = false
    this.#parts.changed()
  }

  #remove(member: Member): void {
    if (!this.#members.includes(member)) return
    this.#members = this.#members.filter((other) => other !== member)
    this.#parts.changed()
  }
}
