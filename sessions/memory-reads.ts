import { deltaTextBytes } from '../protocol/limits.ts'
import { ListPage } from './list-page.ts'
import { lapsedMax } from './memory-limits.ts'
import type { MemorySession } from './memory-session.ts'
import type { MemoryShelves } from './memory-shelves.ts'
import { leaseOf } from './memory-turn.ts'
import type {
  FindTurnReply,
  FindTurnRequest,
  ListedSession,
  ListReply,
  ListRequest,
  LogEntry,
  LogPlace,
  OpeningReply,
  OpenReply,
  OpenRequest,
  PageReply,
  PageRequest,
  ReadReply,
  ReadRequest,
  RunningTurn,
} from './session-log.ts'
import { sliceText } from './text-slice.ts'

/** What is read of one session in memory. Nothing here changes it. */

const unknown = { kind: 'unknown' } as const
const noText = Buffer.alloc(0)

export function openSession(shelves: MemoryShelves, session: MemorySession, request: OpenRequest): OpenReply {
  const { cursor, limit } = request
  const { info, head, entries } = session
  const run = runningTurn(shelves, session, request.run)
  const found =
    cursor !== undefined && isPlaceIn(entries, cursor)
      ? ({ from: 'after', ...entriesAfter(entries, cursor.seq, limit) } as const)
      : ({ from: 'reset', ...entriesBefore(entries, entries.length + 1, limit) } as const)
  const reply = { kind: 'ok', info, head, ...found } as const
  return run === undefined ? reply : { ...reply, run }
}

function isPlaceIn(entries: readonly LogEntry[], { seq, mark }: LogPlace): boolean {
  return seq === 0 ? mark === 0 : entries[seq - 1]?.record.mark === mark
}

interface Entries {
  readonly entries: readonly LogEntry[]
  readonly hasMore: boolean
}

/** The entry `seq` is at `seq - 1`, since a log in memory loses none. */
function entriesAfter(entries: readonly LogEntry[], seq: number, limit: number): Entries {
  return { entries: entries.slice(seq, seq + limit), hasMore: seq + limit < entries.length }
}

function entriesBefore(entries: readonly LogEntry[], before: number, limit: number): Entries {
  const to = Math.max(Math.min(before - 1, entries.length), 0)
  const from = Math.max(to - limit, 0)
  return { entries: entries.slice(from, to), hasMore: from > 0 }
}

function runningTurn(
  shelves: MemoryShelves,
  { run }: MemorySession,
  reader: OpenRequest['run'],
): RunningTurn | undefined {
  if (run === undefined) return undefined
  const { turn, isCancelled, fence } = run
  const attempt = fence?.attempt ?? 0
  const ends = reader?.turn === turn && reader.attempt === attempt ? reader.ends : []
  const tapes = run.tapes.map((tape, part) => tape.slice(ends[part] ?? 0, deltaTextBytes))
  const running = { turn, attempt, isCancelled, lease: leaseOf(shelves, run), tapes }
  return fence === undefined ? running : { ...running, openedBy: fence.token }
}

export function pageOf({ entries }: MemorySession, { before, limit }: PageRequest): PageReply {
  return { kind: 'ok', ...entriesBefore(entries, before ?? entries.length + 1, limit) }
}

export function readText(session: MemorySession, { turn, part, at, maxBytes }: ReadRequest): ReadReply {
  if (session.run?.turn === turn) {
    const slice = session.run.tapes[part]?.slice(at, maxBytes)
    return slice === undefined ? sliceOfNone(part, at) : { kind: 'ok', ...slice }
  }
  const end = session.turn(turn)?.end
  if (end === undefined) return unknown
  const text = end.texts?.[part]
  return text === undefined ? sliceOfNone(part, at) : { kind: 'ok', ...sliceText(text, at, maxBytes) }
}

export function openingOf(session: MemorySession, turn: string): OpeningReply {
  const known = session.turn(turn)
  if (known === undefined) return unknown
  const record = known.opening?.record
  // Only these two are kept as openings.
  const isOpening = record?.type === 'turn.started' || record?.type === 'turn.restarted'
  return isOpening ? { kind: 'ok', record } : { kind: 'ok' }
}

export function findTurn(session: MemorySession, { turn }: FindTurnRequest): FindTurnReply {
  const { run } = session
  if (run?.turn === turn) return { kind: 'running', message: run.message }
  const end = session.turn(turn)?.end?.record
  return end === undefined ? unknown : { kind: 'ended', entry: { seq: end.seq, mark: end.mark } }
}

/** A turn without an attempt has an empty part 0, and no other. */
function sliceOfNone(part: number, at: number): ReadReply {
  return part === 0 ? { kind: 'ok', ...sliceText(noText, at, 0) } : unknown
}

/** Turns whose lease has lapsed, at most `lapsedMax`. */
export function lapsedTurns(shelves: MemoryShelves): { readonly session: string; readonly turn: string }[] {
  const found: { readonly session: string; readonly turn: string }[] = []
  for (const { id, run } of shelves.running()) {
    if (found.length >= lapsedMax) break
    if (run !== undefined && leaseOf(shelves, run) === 'lapsed') found.push({ session: id, turn: run.turn })
  }
  return found
}

/** A place in the order of use: what is used between two pages moves to the front, where the first page finds it. */
const listCursor = /^u([0-9a-z]{1,10})$/

export function listSessions(shelves: MemoryShelves, request: ListRequest): ListReply {
  const { owner, before } = request
  const usedOrder = before === undefined ? shelves.uses + 1 : parseListCursor(before)
  if (usedOrder === undefined || usedOrder > shelves.uses + 1) return { kind: 'invalid' }
  const page = new ListPage(request)
  let last = usedOrder
  for (const session of shelves.shelf(owner)?.usedBefore(usedOrder) ?? []) {
    if (shelves.isDue(session)) continue
    if (!page.add(listed(session))) return { kind: 'ok', sessions: page.sessions, next: `u${last.toString(36)}` }
    last = session.usedOrder
  }
  return { kind: 'ok', sessions: page.sessions }
}

function parseListCursor(cursor: string): number | undefined {
  const digits = listCursor.exec(cursor)?.[1]
  return digits === undefined ? undefined : Number.parseInt(digits, 36)
}

function listed({ id, createdMs, usedMs, preview, metadata, run }: MemorySession): ListedSession {
  const entry = { session: id, createdMs, updatedMs: usedMs, preview, running: run !== undefined }
  return metadata === undefined ? entry : { ...entry, metadata }
}
