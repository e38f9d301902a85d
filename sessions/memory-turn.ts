import { partsMax } from '../protocol/limits.ts'
import { isTerminal, type NewRecord } from '../protocol/record.ts'
import { entryOverheadBytes } from './memory-limits.ts'
import type { MemorySession, RunningInMemory } from './memory-session.ts'
import type { MemoryShelves } from './memory-shelves.ts'
import { decodePayload, encodePayload, placeAfter, placeRecord } from './record-payload.ts'
import {
  type AcceptReply,
  type AcceptRequest,
  type AppendReply,
  type AppendRequest,
  type CancelReply,
  type EndReply,
  type EndRequest,
  type FeedbackReply,
  type FeedbackRequest,
  type LogEntry,
  type LogPlace,
  type NewOpeningRecord,
  sha1OfNothing,
  type TakeOverReply,
  type TakeOverRequest,
} from './session-log.ts'
import { previewOf } from './session-preview.ts'
import { Tape } from './tape.ts'

/**
 * What is written to one session in memory. Each function is one atomic step: it checks, then changes, then tells the
 * watchers, so that a watcher who looks sees the state that it is told of.
 */

const stale = { kind: 'stale' } as const
const idle = { kind: 'idle' } as const
const unknown = { kind: 'unknown' } as const

export function acceptMessage(
  shelves: MemoryShelves,
  session: MemorySession,
  request: AcceptRequest,
  rememberCount: number,
): AcceptReply {
  const known = session.remembered(request.messageId)
  if (known !== undefined) return acceptAgain(session, request, known)
  const { run, ended } = session
  if (run !== undefined) return { kind: 'busy', turn: run.turn, lease: leaseOf(shelves, run) }
  const { replaces } = request.record
  if (replaces !== undefined && replaces !== ended?.turn) {
    return ended === undefined ? { kind: 'not-last' } : { kind: 'not-last', last: ended.turn }
  }
  const payload = encodePayload(request.record)
  const full = shelves.fullForMessage(payload.length)
  if (full !== undefined) return full
  startTurn(shelves, session, request, payload, rememberCount)
  return { kind: 'yours', turn: request.turn, entry: session.head }
}

function acceptAgain(
  session: MemorySession,
  request: AcceptRequest,
  { hash, turn, entry }: { hash: string; turn: string; entry: LogPlace },
): AcceptReply {
  if (hash !== request.hash) return { kind: 'conflict', turn, entry }
  const isYours = session.run?.turn === turn && session.run.token === request.token
  return { kind: isYours ? 'yours' : 'repeat', turn, entry }
}

function startTurn(
  shelves: MemoryShelves,
  session: MemorySession,
  { messageId, hash, turn, token, leaseMs, record }: AcceptRequest,
  payload: string,
  rememberCount: number,
): void {
  const tell = addPayload(shelves, session, payload)
  const entry = session.head
  const deadlineMs = shelves.now() + leaseMs
  session.run = { turn, message: entry, token, deadlineMs, fence: undefined, tapes: [], isCancelled: false }
  session.remember({ messageId, hash, turn, entry }, rememberCount)
  if (session.preview === '') session.preview = previewOf(record.message.content)
  shelves.use(session)
  tell()
}

export function appendText(shelves: MemoryShelves, session: MemorySession, request: AppendRequest): AppendReply {
  const { run } = session
  const { fence, part, at, text, open } = request
  if (run === undefined || run.turn !== fence.turn || run.token !== fence.token) return stale
  if (run.isCancelled) return cancelledAt(run)
  if (run.fence?.attempt !== fence.attempt || run.fence.token !== fence.token) {
    const attempt = run.fence?.attempt ?? 0
    if (open === undefined || fence.attempt <= attempt) return { kind: 'attempt', attempt }
    openAttempt(shelves, session, run, request, open)
  }
  const length = run.tapes[part]?.length ?? 0
  if (text.length > 0 && length === at) {
    if (part >= partsMax || length + text.length > request.maxBytes) return { kind: 'full', length }
    // Parts open in their order: one that would leave a gap is answered its length, which is 0.
    if (part <= run.tapes.length) appendTo(shelves, session, run, part, text)
  }
  if (request.leaseMs > 0) run.deadlineMs = shelves.now() + request.leaseMs
  return { kind: 'ok', length: run.tapes[part]?.length ?? 0 }
}

function openAttempt(
  shelves: MemoryShelves,
  session: MemorySession,
  run: RunningInMemory,
  { fence: { token, turn, attempt } }: AppendRequest,
  open: NewOpeningRecord,
): void {
  const tell = addPayload(shelves, session, encodePayload(open, token))
  dropTapes(shelves, session, run)
  run.fence = { token, turn, attempt }
  // Part 0 is there from the opening on, for text, even if none comes.
  addTape(shelves, session, run)
  tell()
}

function appendTo(
  shelves: MemoryShelves,
  session: MemorySession,
  run: RunningInMemory,
  part: number,
  text: Uint8Array,
): void {
  const tape = run.tapes[part] ?? addTape(shelves, session, run)
  const { length, capacity } = tape
  tape.append(text)
  if (tape.capacity !== capacity) shelves.grow(session, tape.capacity - capacity)
  const { watch } = session
  if (run.fence === undefined || watch === undefined || !watch.hearsDeltas) return
  watch.tellDelta(run.fence, part, length, tape.length, tape.view(length, tape.length))
}

function addTape(shelves: MemoryShelves, session: MemorySession, run: RunningInMemory): Tape {
  const tape = new Tape()
  run.tapes.push(tape)
  shelves.grow(session, tape.capacity)
  return tape
}

export function endTurn(shelves: MemoryShelves, session: MemorySession, request: EndRequest): EndReply {
  const { run, ended } = session
  if (ended?.turn === request.turn) return { kind: 'ended', entry: ended.entry }
  if (run === undefined || run.turn !== request.turn || run.token !== request.token) return stale
  if (run.isCancelled && request.record.type !== 'turn.cancelled') return cancelledAt(run)
  const attempt = run.fence?.attempt ?? 0
  if (attempt !== request.attempt || !hasTexts(run.tapes, request.parts)) return { kind: 'behind', attempt }
  const texts = run.tapes.map((tape) => tape.copy())
  const tell = addPayload(shelves, session, encodePayload(request.record), texts)
  dropTapes(shelves, session, run)
  session.run = undefined
  session.addEnd(run.turn)
  shelves.use(session)
  tell()
  return { kind: 'ok', entry: session.head }
}

/** A part that is not there equals an empty one: part 0 exists for text even if none came. */
function hasTexts(tapes: readonly Tape[], parts: EndRequest['parts']): boolean {
  for (let part = 0; part < Math.max(tapes.length, parts.length); part += 1) {
    const tape = tapes[part]
    const { bytes, sha1 } = parts[part] ?? { bytes: 0, sha1: sha1OfNothing }
    if (bytes !== (tape?.length ?? 0) || sha1 !== (tape?.sha1() ?? sha1OfNothing)) return false
  }
  return true
}

export function takeOverTurn(shelves: MemoryShelves, session: MemorySession, request: TakeOverRequest): TakeOverReply {
  const { run } = session
  if (run === undefined || (request.turn !== undefined && request.turn !== run.turn)) return idle
  if (run.token === request.token) return claimOf(run)
  const nowMs = shelves.now()
  // More than two leases ahead, the deadline is of a clock that stepped back since.
  if (run.deadlineMs > nowMs + 2 * request.leaseMs) run.deadlineMs = nowMs + request.leaseMs
  if (nowMs < run.deadlineMs) return { kind: 'held', forMs: run.deadlineMs - nowMs }
  if (request.seen !== run.deadlineMs) {
    session.watch?.tell((listener) => listener.nudge('renew'))
    return { kind: 'lapsed', deadline: run.deadlineMs }
  }
  run.token = request.token
  run.deadlineMs = nowMs + request.leaseMs
  session.watch?.tell((listener) => listener.nudge('taken'))
  return claimOf(run)
}

function claimOf({ turn, fence, tapes, isCancelled, message }: RunningInMemory): TakeOverReply {
  return { kind: 'yours', turn, attempt: fence?.attempt ?? 0, parts: tapes.length, isCancelled, message }
}

export function cancelTurn({ run, ended, watch }: MemorySession, turn: string): CancelReply {
  if (run?.turn !== turn) return { kind: ended?.turn === turn ? 'ended' : 'unknown' }
  run.isCancelled = true
  watch?.tell((listener) => listener.nudge('cancel'))
  return { kind: 'cancelling' }
}

export function writeFeedback(
  shelves: MemoryShelves,
  session: MemorySession,
  { record }: FeedbackRequest,
): FeedbackReply {
  const payload = encodePayload(record)
  for (const { record: other } of session.entries.toReversed()) {
    if (other.type === 'feedback.added' && other.turn === record.turn && isPayloadOf(other, payload)) {
      return { kind: 'ok', entry: { seq: other.seq, mark: other.mark } }
    }
    if (other.type !== 'message.added' || other.turn !== record.turn) continue
    const tell = addPayload(shelves, session, payload)
    shelves.use(session)
    tell()
    return { kind: 'ok', entry: session.head }
  }
  return unknown
}

function isPayloadOf({ seq: _seq, mark: _mark, ...record }: LogEntry['record'], payload: string): boolean {
  // The spread of a union without two fields is the union of its members without them.
  return encodePayload(record as NewRecord) === payload
}

/** Writes; the answer tells the watchers, for when the rest of the step is done. */
function addPayload(
  shelves: MemoryShelves,
  session: MemorySession,
  payload: string,
  texts?: readonly Buffer[],
): () => void {
  const decoded = decodePayload(payload)
  if (decoded.kind === 'unknown') throw new Error('unable to add a record: its payload does not decode')
  const previous = session.head
  const record = placeRecord(decoded.record, placeAfter(previous, payload))
  const published: LogEntry = decoded.openedBy === undefined ? { record } : { record, openedBy: decoded.openedBy }
  session.addEntry(texts !== undefined && isTerminal(record) ? { ...published, texts } : published)
  const textBytes = texts?.reduce((sum, text) => sum + text.length, 0) ?? 0
  shelves.grow(session, entryOverheadBytes + payload.length + textBytes)
  return () => session.watch?.tell((listener) => listener.record(previous, published))
}

function dropTapes(shelves: MemoryShelves, session: MemorySession, run: RunningInMemory): void {
  for (const tape of run.tapes) shelves.grow(session, -tape.capacity)
  run.tapes = []
}

function cancelledAt({ fence, tapes }: RunningInMemory) {
  return { kind: 'cancel', attempt: fence?.attempt ?? 0, length: tapes[0]?.length ?? 0 } as const
}

export function leaseOf(shelves: MemoryShelves, run: RunningInMemory): 'held' | 'lapsed' {
  return shelves.now() >= run.deadlineMs ? 'lapsed' : 'held'
}
