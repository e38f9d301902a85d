import { deltaTextBytes } from '../../protocol/limits.ts'
import type { Metadata } from '../../protocol/shapes.ts'
import { ListPage } from '../list-page.ts'
import {
  type DescribeReply,
  type FindTurnReply,
  type FindTurnRequest,
  type ListedSession,
  type ListReply,
  type ListRequest,
  logStart,
  type OpeningReply,
  type OpenReply,
  type OpenRequest,
  type PageReply,
  type PageRequest,
  type ReadReply,
  type ReadRequest,
  type RunningTurn,
  type SessionInfo,
} from '../session-log.ts'
import { sliceText } from '../text-slice.ts'
import { ownerHash } from './keys.ts'
import { listBatch, readRecordBytes } from './limits.ts'
import { leaveOwned } from './owned.ts'
import { type Reply, StoreAway, type Value } from './redis-link.ts'
import { kindOf, type RedisStore } from './redis-store.ts'
import { count, entriesOf, idOf, list, placeOf, text } from './replies.ts'
import { readInfo } from './session-info.ts'

/** What is read of sessions in Redis. Nothing here changes them. */

const gone = { kind: 'gone' } as const
const invalid = { kind: 'invalid' } as const

export async function describeSession(store: RedisStore, session: string): Promise<DescribeReply> {
  const reply = await store.run('describe', [store.keys.meta(session)])
  if (kindOf(reply) === 'gone') return gone
  const info = knownInfo(store, reply[1], reply[2])
  store.shares.know(session, info.owner)
  return { kind: 'ok', info }
}

/** A node that is too old for a session has no store for it; a newer one may. */
function knownInfo(store: RedisStore, written: Value | undefined, metadata: Value | undefined): SessionInfo {
  const info = readInfo(text(written), text(metadata), store.unknown)
  if (info === undefined) throw new StoreAway('VERSION')
  return info
}

interface Asked {
  readonly turn: string
  readonly attempt: string
  readonly ends: readonly number[]
}

const nothingAsked: Asked = { turn: '', attempt: '', ends: [] }

export async function openSession(store: RedisStore, request: OpenRequest): Promise<OpenReply> {
  const { session, cursor, limit, run } = request
  let asked: Asked = run === undefined ? nothingAsked : { ...run, attempt: String(run.attempt) }
  const reply = await store.runAgain(
    store.keys.tapes(session, asked.turn, asked.attempt, asked.ends.length),
    (tapes) =>
      store.run(
        'open',
        store.of(session, ...tapes),
        cursor === undefined ? '' : idOf(cursor),
        limit,
        asked.turn,
        asked.attempt,
        readRecordBytes,
        deltaTextBytes,
        ...asked.ends,
      ),
    (answer) => {
      const running = answer[7]
      if (running === undefined || text(list(running)[6]) === 'named') return undefined
      asked = askedFor(list(running), run)
      return store.keys.tapes(session, asked.turn, asked.attempt, asked.ends.length)
    },
  )
  return kindOf(reply) === 'gone' ? gone : readOpened(store, reply)
}

/** The reader's ends count for the attempt that they are of alone. */
function askedFor(running: readonly Value[], run: OpenRequest['run']): Asked {
  const [turn, attempt, parts] = [text(running[0]), text(running[1]), count(running[3])]
  const ends = run?.turn === turn && String(run.attempt) === attempt ? run.ends : []
  return { turn, attempt, ends: Array.from({ length: parts }, (_, part) => ends[part] ?? 0) }
}

function readOpened(store: RedisStore, reply: Reply): OpenReply {
  const from = text(reply[2]) === 'after' ? 'after' : 'reset'
  const found = entriesOf(reply[4], store.unknown)
  const opened = {
    kind: 'ok',
    info: knownInfo(store, reply[5], reply[6]),
    head: reply[1] === undefined ? logStart : placeOf(text(reply[1])),
    from,
    entries: from === 'reset' ? found.reverse() : found,
    hasMore: count(reply[3]) === 1,
  } as const
  return reply[7] === undefined ? opened : { ...opened, run: readRunning(list(reply[7])) }
}

function readRunning(running: readonly Value[]): RunningTurn {
  const openedBy = text(running[2])
  const turn = {
    turn: text(running[0]),
    attempt: count(running[1]),
    isCancelled: text(running[4]) === '1',
    lease: text(running[5]) === 'lapsed' ? ('lapsed' as const) : ('held' as const),
    tapes: list(running[7]).map((slice) => readSlice(slice, deltaTextBytes)),
  }
  return openedBy === '' ? turn : { ...turn, openedBy }
}

/** The script sends a byte too many, which tells whether the last character is whole. */
function readSlice(value: Value | undefined, maxBytes: number) {
  const [at, bytes, length] = list(value)
  const piece = Buffer.isBuffer(bytes) ? bytes : Buffer.alloc(0)
  return { at: count(at), text: sliceText(piece, 0, maxBytes).text, length: count(length) }
}

export async function readPage(store: RedisStore, { session, before, limit }: PageRequest): Promise<PageReply> {
  const reply = await store.run('page', store.of(session), before ?? '', limit, readRecordBytes)
  if (kindOf(reply) === 'gone') return gone
  const entries = entriesOf(reply[2], store.unknown).reverse()
  return { kind: 'ok', entries, hasMore: count(reply[1]) === 1 }
}

export async function readText(store: RedisStore, request: ReadRequest): Promise<ReadReply> {
  const { session, turn, part, at, maxBytes } = request
  let attempt = 1
  const reply = await store.runAgain(
    [store.keys.tape(session, turn, attempt, part)],
    (tapes) => store.run('read', store.of(session, ...tapes), turn, attempt, part, at, maxBytes),
    (answer) => {
      if (kindOf(answer) !== 'again') return undefined
      attempt = count(answer[1])
      return [store.keys.tape(session, turn, attempt, part)]
    },
  )
  const kind = kindOf(reply)
  if (kind !== 'ok') return kind === 'gone' ? gone : { kind: 'unknown' }
  return { kind, ...readSlice(reply[1], maxBytes) }
}

export async function readOpening(store: RedisStore, session: string, turn: string): Promise<OpeningReply> {
  const reply = await store.run('opening', store.of(session), turn)
  const kind = kindOf(reply)
  if (kind !== 'ok') return kind === 'gone' ? gone : { kind: 'unknown' }
  const record = entriesOf(reply[1], store.unknown)[0]?.record
  const isOpening = record?.type === 'turn.started' || record?.type === 'turn.restarted'
  return isOpening ? { kind, record } : { kind }
}

export async function findTurn(store: RedisStore, { session, turn }: FindTurnRequest): Promise<FindTurnReply> {
  const reply = await store.run('find-turn', store.of(session), turn)
  const kind = kindOf(reply)
  if (kind === 'running') return { kind, message: placeOf(text(reply[1])) }
  if (kind === 'ended') return { kind, entry: placeOf(text(reply[1])) }
  return kind === 'gone' ? gone : { kind: 'unknown' }
}

/** A place in the order of use: what is used between two pages moves to the front, where the first page finds it. */
const listCursor = /^u([0-9a-z]{1,11})\.([A-Za-z0-9_-]{1,64})$/

export async function listSessions(store: RedisStore, request: ListRequest): Promise<ListReply> {
  const { owner, before, limit } = request
  const page = new ListPage(request)
  let from = before === undefined ? undefined : parseListCursor(before)
  if (before !== undefined && from === undefined) return invalid
  const hash = ownerHash(owner)
  for (;;) {
    const places = await ownedBefore(store, hash, from, Math.min(listBatch, limit + 1 - page.sessions.length))
    const found = await Promise.all(places.map(({ session }) => listedSession(store, session, owner)))
    for (const [index, listed] of found.entries()) {
      const place = places[index]
      if (place === undefined) continue
      if (listed === 'gone') void leaveOwned(store, hash, place.session)
      else if (listed !== 'skipped' && !page.add(listed) && from !== undefined)
        return { kind: 'ok', sessions: page.sessions, next: `u${from.usedUs.toString(36)}.${from.session}` }
      from = place
    }
    if (places.length === 0) return { kind: 'ok', sessions: page.sessions }
  }
}

interface Place {
  readonly usedUs: number
  readonly session: string
}

function parseListCursor(cursor: string): Place | undefined {
  const [, digits, session] = listCursor.exec(cursor) ?? []
  return digits === undefined || session === undefined ? undefined : { usedUs: Number.parseInt(digits, 36), session }
}

/** Those used before a place, the latest first; of two that were used at once the greater name comes first. */
async function ownedBefore(store: RedisStore, hash: string, from: Place | undefined, limit: number): Promise<Place[]> {
  const key = store.keys.owner(hash)
  const most = from === undefined ? '+inf' : from.usedUs
  // One more, since the one that it begins behind is among them.
  const reply = await store.command('ZREVRANGEBYSCORE', key, most, '-inf', 'WITHSCORES', 'LIMIT', 0, limit + 1)
  const places = pairs(list(reply as Value)).map(([session, used]) => ({ session: text(session), usedUs: count(used) }))
  return places.filter((place) => from === undefined || isBehind(place, from)).slice(0, limit)
}

function isBehind(place: Place, from: Place): boolean {
  return place.usedUs < from.usedUs || (place.usedUs === from.usedUs && place.session < from.session)
}

/** The driver answers scores in pairs or in one row, as the version of its protocol has it. */
function pairs(values: readonly Value[]): (readonly [Value | undefined, Value | undefined])[] {
  if (Array.isArray(values[0])) return values.map((pair) => [list(pair)[0], list(pair)[1]])
  return Array.from({ length: values.length / 2 }, (_, index) => [values[2 * index], values[2 * index + 1]])
}

/** `gone`: or made again by somebody else. `skipped`: of a later version. */
async function listedSession(
  store: RedisStore,
  session: string,
  owner: SessionInfo['owner'],
): Promise<ListedSession | 'gone' | 'skipped'> {
  const reply = await store.run('summary', [store.keys.meta(session)])
  if (kindOf(reply) === 'gone') return 'gone'
  const info = readInfo(text(reply[1]), text(reply[2]), store.unknown)
  if (info === undefined) return 'skipped'
  if (info.owner.tenant !== owner.tenant || info.owner.subject !== owner.subject) return 'gone'
  const listed = {
    session,
    createdMs: info.createdMs,
    updatedMs: count(reply[3]),
    preview: text(reply[4]),
    running: text(reply[5]) !== '',
  }
  return withMetadata(listed, info.metadata)
}

function withMetadata(listed: ListedSession, metadata: Metadata | undefined): ListedSession {
  return metadata === undefined ? listed : { ...listed, metadata }
}
