import { encodePayload } from '../record-payload.ts'
import {
  type AcceptReply,
  type AcceptRequest,
  type AppendReply,
  type AppendRequest,
  type CancelReply,
  type EndReply,
  type EndRequest,
  sha1OfNothing,
  type TakeOverReply,
  type TakeOverRequest,
} from '../session-log.ts'
import { previewOf } from '../session-preview.ts'
import { enterRunning, leaveRunning } from './hints.ts'
import { againMax, recordBytes, rememberedMessages } from './limits.ts'
import { touchOwned } from './owned.ts'
import { type Reply, StoreAway } from './redis-link.ts'
import { kindOf, type RedisStore } from './redis-store.ts'
import { count, placeOf, text } from './replies.ts'
import { type Charged, chargeSession, correct, fullOf } from './session-writes.ts'
import { storeFullReply } from './store-full.ts'

/** What is written to a session's turn in Redis: each function is one script, the lists around it, and its reply. */

const gone = { kind: 'gone' } as const
const stale = { kind: 'stale' } as const
/** Enough of a hash to tell two messages apart; it is kept for each message that is remembered. */
const hashLength = 32

export async function acceptMessage(store: RedisStore, request: AcceptRequest): Promise<AcceptReply> {
  const { session, turn, record } = request
  store.refuseWhenShort(session)
  const payload = encodePayload(record)
  try {
    const charged = await chargeSession(store, session, recordBytes + Buffer.byteLength(payload))
    if (charged === undefined) return gone
    const reply = await runAccept(store, request, payload, charged)
    if (kindOf(reply) !== 'yours') leaveRunning(store, session, turn)
    correct(store, session, charged, reply, 3)
    return readAccepted(reply, charged)
  } catch (error) {
    return storeFullReply(error)
  }
}

async function runAccept(
  store: RedisStore,
  { session, messageId, hash, turn, token, leaseMs, record }: AcceptRequest,
  payload: string,
  { full }: Charged,
): Promise<Reply> {
  // Sent first, and on a store of one node it is there first; who dies in between leaves a hint too many.
  const entered = enterRunning(store, session, turn, leaseMs)
  const accepted = store.runDurably(
    'accept',
    store.of(session),
    messageId,
    hash.slice(0, hashLength),
    turn,
    token,
    leaseMs,
    payload,
    rememberedMessages,
    record.replaces ?? '',
    previewOf(record.message.content),
    store.ttlMs,
    full ? 1 : 0,
  )
  const [reply] = await Promise.all([accepted, entered])
  return reply
}

function readAccepted(reply: Reply, { full }: Charged): AcceptReply {
  const kind = kindOf(reply)
  switch (kind) {
    case 'yours':
    case 'repeat':
    case 'conflict':
      return { kind, turn: text(reply[1]), entry: placeOf(text(reply[2])) }
    case 'busy':
      return { kind, turn: text(reply[1]), lease: text(reply[2]) === 'lapsed' ? 'lapsed' : 'held' }
    case 'not-last': {
      const last = text(reply[1])
      return last === '' ? { kind } : { kind, last }
    }
    case 'gone':
      return gone
    default:
      return fullOf('accept', kind, full)
  }
}

/** The token path: a promise for what is joined, and this function's own. */
export async function appendText(store: RedisStore, request: AppendRequest): Promise<AppendReply> {
  const { session, fence, part, at, open, leaseMs } = request
  const tape = store.keys.tape(session, fence.turn, fence.attempt, part)
  const bytes = bytesOf(request.text)
  if (open === undefined && leaseMs === 0 && at > 0 && bytes.length > 0) {
    const head = `${fenceOf(fence)} ${part} ${at} ${request.maxBytes}`
    const length = await store.appendJoined({ meta: store.keys.meta(session), tape, head, text: bytes.toString() })
    if (length >= 0) return { kind: 'ok', length }
  }
  return appendAlone(store, request, tape)
}

/** What opens an attempt or a part, renews, carries no text, or was not taken with the others. */
async function appendAlone(store: RedisStore, request: AppendRequest, tape: string): Promise<AppendReply> {
  const { session, fence, open, leaseMs } = request
  const { turn } = fence
  // Whoever opens an attempt entered its turn when it claimed it.
  if (leaseMs > 0 && open === undefined) enterRunning(store, session, turn, leaseMs).catch(() => undefined)
  const opening = open === undefined ? '' : encodePayload(open, fence.token)
  let reply = await runAppend(store, request, tape, opening, '', [])
  // A new attempt takes the tapes of the one before away: it says which these are.
  for (let round = 0; kindOf(reply) === 'again'; round += 1) {
    if (round >= againMax) throw new StoreAway('AGAIN')
    const before = count(reply[1])
    const tapes = store.keys.tapes(session, turn, before, count(reply[2]))
    reply = await runAppend(store, request, tape, opening, String(before), tapes)
  }
  return readAppended(store, request, reply)
}

function fenceOf({ token, turn, attempt }: AppendRequest['fence']): string {
  return `${token} ${turn} ${attempt}`
}

function bytesOf(text: Uint8Array): Buffer {
  return Buffer.from(text.buffer, text.byteOffset, text.byteLength)
}

function runAppend(
  store: RedisStore,
  { session, fence, part, at, text: added, leaseMs, maxBytes }: AppendRequest,
  tape: string,
  opening: string,
  before: string,
  tapesBefore: readonly string[],
): Promise<Reply> {
  const keys = store.of(session, tape, ...tapesBefore)
  return store.run(
    'append',
    keys,
    fenceOf(fence),
    at,
    bytesOf(added),
    part,
    opening,
    leaseMs,
    maxBytes,
    before,
    store.ttlMs,
  )
}

async function readAppended(store: RedisStore, request: AppendRequest, reply: Reply): Promise<AppendReply> {
  const kind = kindOf(reply)
  switch (kind) {
    case 'ok':
    case 'full':
      return { kind, length: count(reply[1]) }
    case 'attempt':
      return { kind, attempt: count(reply[1]) }
    case 'cancel':
      return cancelReply(store, request.session, request.fence.turn, reply)
    case 'stale':
      return stale
    case 'gone':
      return gone
    default:
      throw unexpected('append', kind)
  }
}

/** Of another attempt than the caller's the script has not the tape; nothing is appended to it any more. */
async function cancelReply(store: RedisStore, session: string, turn: string, reply: Reply) {
  const attempt = count(reply[1])
  const told = count(reply[2])
  if (told >= 0) return { kind: 'cancel', attempt, length: told } as const
  const length = await store.command('STRLEN', store.keys.tape(session, turn, attempt, 0))
  return { kind: 'cancel', attempt, length: Number(length) } as const
}

export async function endTurn(store: RedisStore, request: EndRequest): Promise<EndReply> {
  const { session, token, turn, attempt, record } = request
  const parts = attempt === 0 ? [] : withPartZero(request.parts)
  const reply = await store.runDurably(
    'end',
    store.of(session, ...store.keys.tapes(session, turn, attempt, parts.length)),
    token,
    turn,
    attempt,
    record.type,
    encodePayload(record),
    store.ttlMs,
    ...parts.flatMap(({ bytes, sha1 }) => [bytes, sha1]),
  )
  const kind = kindOf(reply)
  switch (kind) {
    case 'ok':
      touchOwned(store, text(reply[2]), session, count(reply[3]))
      leaveRunning(store, session, turn)
      return { kind, entry: placeOf(text(reply[1])) }
    case 'ended':
      leaveRunning(store, session, turn)
      return { kind, entry: placeOf(text(reply[1])) }
    case 'behind':
      return { kind, attempt: count(reply[1]) }
    case 'cancel':
      return cancelReply(store, session, turn, reply)
    case 'stale':
      return stale
    case 'gone':
      return gone
    default:
      throw unexpected('end', kind)
  }
}

/** An attempt has part 0, be it empty; further parts that are empty are none. */
function withPartZero(parts: EndRequest['parts']): EndRequest['parts'] {
  const last = parts.findLastIndex(({ bytes }) => bytes > 0)
  return last < 0 ? [{ bytes: 0, sha1: parts[0]?.sha1 ?? sha1OfNothing }] : parts.slice(0, last + 1)
}

export async function takeOverTurn(store: RedisStore, request: TakeOverRequest): Promise<TakeOverReply> {
  const { session, token, leaseMs, seen, turn } = request
  // Ahead of the claim: who dies behind it is found.
  if (seen !== undefined && turn !== undefined) await enterRunning(store, session, turn, leaseMs)
  const reply = await store.run('take-over', store.of(session), token, leaseMs, seen ?? '', turn ?? '')
  const kind = kindOf(reply)
  switch (kind) {
    case 'yours':
      return {
        kind,
        turn: text(reply[1]),
        attempt: count(reply[2]),
        parts: count(reply[3]),
        isCancelled: text(reply[4]) === '1',
        message: placeOf(text(reply[5])),
      }
    case 'lapsed':
      return { kind, deadline: count(reply[1]) }
    case 'held':
      return { kind, forMs: count(reply[1]) }
    case 'idle':
    case 'gone':
      if (turn !== undefined) leaveRunning(store, session, turn)
      return { kind }
    default:
      throw unexpected('take-over', kind)
  }
}

export async function cancelTurn(store: RedisStore, session: string, turn: string): Promise<CancelReply> {
  const kind = kindOf(await store.runDurably('cancel', store.of(session), turn))
  if (kind === 'cancelling' || kind === 'ended' || kind === 'unknown' || kind === 'gone') return { kind }
  throw unexpected('cancel', kind)
}

function unexpected(operation: string, kind: string): Error {
  return new Error(`unable to read the reply of ${operation}: it is ${kind}`)
}
