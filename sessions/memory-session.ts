import type { Metadata } from '../protocol/shapes.ts'
import type { OwnerShelf } from './owner-shelf.ts'
import {
  type Fence,
  type LogEntry,
  type LogPlace,
  logStart,
  type SessionAttributes,
  type SessionInfo,
} from './session-log.ts'
import type { Tape } from './tape.ts'
import type { Watch } from './watch.ts'

/** A turn whose terminal record is not written yet. */
export interface RunningInMemory {
  readonly turn: string
  readonly message: LogPlace
  /** The claim's: whose the turn is. */
  token: string
  deadlineMs: number
  /** The current attempt with the token that opened it, or none yet. */
  fence: Fence | undefined
  tapes: Tape[]
  isCancelled: boolean
}

export interface RememberedMessage {
  readonly messageId: string
  readonly hash: string
  readonly turn: string
  readonly entry: LogPlace
}

const noEntries: LogEntry[] = []
const noMessages: RememberedMessage[] = []
const noTurns: Map<string, LogPlace> = new Map()

/** One session in memory. Most are idle, so what a session may never need is shared or absent until it does. */
export class MemorySession {
  readonly id: string
  readonly shelf: OwnerShelf<MemorySession>
  readonly attributes: SessionAttributes
  readonly createdMs: number
  metadata: Metadata | undefined
  preview = ''
  bytes = 0

  usedMs: number
  usedOrder = 0
  slot = 0
  /** Its neighbours in the order of use, over all owners. */
  older: MemorySession | undefined = undefined
  newer: MemorySession | undefined = undefined

  head = logStart
  entries = noEntries
  run: RunningInMemory | undefined = undefined
  /** Where the terminal record of each ended turn is. */
  endedTurns: Map<string, LogPlace> = noTurns
  ended: { readonly turn: string; readonly entry: LogPlace } | undefined = undefined
  /** A ring, once it is full: the next one goes to `messageCount` modulo its size. */
  messages = noMessages
  messageCount = 0
  watch: Watch | undefined = undefined

  constructor(
    id: string,
    shelf: OwnerShelf<MemorySession>,
    attributes: SessionAttributes,
    createdMs: number,
    metadata: Metadata | undefined,
    usedMs: number,
  ) {
    this.id = id
    this.shelf = shelf
    this.attributes = attributes
    this.createdMs = createdMs
    this.metadata = metadata
    this.usedMs = usedMs
  }

  get info(): SessionInfo {
    const info = { ...this.attributes, owner: this.shelf.owner, createdMs: this.createdMs }
    return this.metadata === undefined ? info : { ...info, metadata: this.metadata }
  }

  addEntry(entry: LogEntry): void {
    if (this.entries === noEntries) this.entries = [entry]
    else this.entries.push(entry)
    this.head = { seq: entry.record.seq, mark: entry.record.mark }
  }

  addEnd(turn: string): void {
    this.ended = { turn, entry: this.head }
    this.endedTurns = this.endedTurns === noTurns ? new Map() : this.endedTurns
    this.endedTurns.set(turn, this.head)
  }

  remember(message: RememberedMessage, rememberCount: number): void {
    if (this.messages === noMessages) this.messages = [message]
    else this.messages[this.messageCount % rememberCount] = message
    this.messageCount += 1
  }

  /** A scan: it happens once a message, over at most as many as are remembered. */
  remembered(messageId: string): RememberedMessage | undefined {
    return this.messages.find((message) => message.messageId === messageId)
  }
}
