import { tapeBytes } from '../protocol/limits.ts'
import { subjectBytesMax, subjectSessionsMax } from '../sessions/shares.ts'
import { JWKS_MAX_BYTES, JWKS_REDIRECTS_MAX_COUNT, KID_MAX_LENGTH, UNKNOWN_KIDS_MAX_COUNT } from './auth/limits.ts'
import * as bounds from './bounds.ts'
import { stalledMs } from './http/limits.ts'
import { MAX_UNSENT_BYTES } from './transport/guarded-socket.ts'
import { MAX_HEADER_BYTES } from './transport/http-answer.ts'
import {
  keepAliveMs,
  slowLaneBatch,
  slowLaneIntervalMs,
  slowLaneMax,
  untakenAnswerMs,
} from './transport/http-limits.ts'

/**
 * What a client can make a node hold and compute, by what it has shown: the most bytes that the process holds for it (the
 * kernel's socket buffers not counted) and the most CPU that one byte of it causes. Each line is enforced where its
 * constants are used, and tested by its rules. docs/LIMITS.md shows this table; a test compares the two.
 */
export interface ExposureLine {
  /** `stranger`: no good token yet. `socket`: welcome. `subject`: all sockets and requests of one subject on one node. */
  readonly who: 'stranger' | 'socket' | 'subject'
  readonly per: 'connection' | 'socket' | 'address' | 'node' | 'subject'
  readonly what: string
  /** The constants or variables that bound it, by name, with their values and units. */
  readonly bounds: string
  /** At most, in bytes; 0: nothing beyond the lines above it. */
  readonly heldBytes: number
  /** Where a transport differs. */
  readonly heldNote?: string
  /** Microseconds for each byte sent, rounded up from what `npm run bench -- hostile` measured; absent: not measured, or the work does not follow bytes. */
  readonly cpuUsPerByte?: number
  /** Rules of docs/SPEC.md. */
  readonly rules: readonly string[]
}

const KIB = 1024
const MIB = 1024 * KIB

/** What a connection costs that does nothing: Node's or uWebSockets.js's own objects and ours. Measured. */
const idleConnectionBytes = 24 * KIB

export const exposure: readonly ExposureLine[] = [
  {
    who: 'stranger',
    per: 'connection',
    what: 'HTTP requests at once: a second one before the first answer was taken closes the connection',
    bounds: `1; head MAX_HEADER_BYTES ${bytes(MAX_HEADER_BYTES)}`,
    heldBytes: idleConnectionBytes + MAX_HEADER_BYTES,
    cpuUsPerByte: 6,
    rules: ['SOCKET-100', 'SOCKET-35'],
  },
  {
    who: 'stranger',
    per: 'connection',
    what: 'an answer that is not taken; page files and documents are one copy for all',
    bounds: `untakenAnswerMs ${seconds(untakenAnswerMs)}; uWebSockets.js 10 s`,
    heldBytes: idleConnectionBytes + MAX_HEADER_BYTES,
    rules: ['SOCKET-101', 'HTTP-104'],
  },
  {
    who: 'stranger',
    per: 'connection',
    what: 'no request, or line ends only',
    bounds: `keepAliveMs ${seconds(keepAliveMs)}; uWebSockets.js 10 s`,
    heldBytes: idleConnectionBytes,
    rules: ['SOCKET-102'],
  },
  {
    who: 'stranger',
    per: 'socket',
    what: 'all that is sent before welcome; only hello is parsed',
    bounds: `strangerFrameBytes ${bytes(bounds.strangerFrameBytes)} a frame, strangerBytes ${bytes(bounds.strangerBytes)} in all, SLUICE_HELLO_DEADLINE_MS 10 s`,
    heldBytes: idleConnectionBytes + bounds.strangerBytes + 64 * KIB,
    heldNote: 'on uWebSockets.js 1 MiB (SLUICE_MAX_FRAME_BYTES): it has no limit for a single socket',
    cpuUsPerByte: 0.1,
    rules: ['SOCKET-120', 'BAD-124', 'BAD-125', 'CONN-120'],
  },
  {
    who: 'stranger',
    per: 'socket',
    what: 'frames behind hello, held as text while the token is verified',
    bounds: `heldFramesMax ${bounds.heldFramesMax}, heldLength ${bytes(bounds.heldLength)} of characters`,
    heldBytes: 2 * bounds.heldLength,
    rules: ['CONN-121'],
  },
  {
    who: 'stranger',
    per: 'address',
    what: 'connections and sockets that have shown no good token; IPv6 by its /64',
    bounds: 'SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS 1,000; above it closed at accept',
    heldBytes: 1_000 * (idleConnectionBytes + bounds.strangerBytes + 64 * KIB),
    heldNote: 'if each of them sends all that it may',
    rules: ['HTTP-101', 'CONN-100'],
  },
  {
    who: 'stranger',
    per: 'address',
    what: 'requests without a good token, and sockets that end without welcome',
    bounds: `SLUICE_STRANGER_REQUESTS_PER_ADDRESS 50 a second, bursts of ${bounds.strangerWorkSeconds} s; a socket counts ${bounds.strangerSocketCost}`,
    heldBytes: 0,
    rules: ['HTTP-100', 'HTTP-106'],
  },
  {
    who: 'stranger',
    per: 'node',
    what: 'connections of all strangers',
    bounds: `strangersMax ${count(bounds.strangersMax)}; above it closed at accept`,
    heldBytes: bounds.strangersMax * idleConnectionBytes,
    heldNote: 'idle',
    rules: ['HTTP-101'],
  },
  {
    who: 'stranger',
    per: 'address',
    what: 'connections that end without a good token, and sockets closed for what they sent; above the rate new connections are read few at a time',
    bounds: `strangerConnectionCost ${bounds.strangerConnectionCost}, misbehavedSocketCost ${bounds.misbehavedSocketCost} of the rate above; slowLaneMax ${slowLaneMax}, ${(slowLaneBatch * 1000) / slowLaneIntervalMs} a second`,
    heldBytes: 0,
    rules: ['HTTP-110'],
  },
  {
    who: 'stranger',
    per: 'node',
    what: 'requests, frames and connections of all clients while the event loop is busy: each counts several times',
    bounds: `pressedUtilization ${bounds.pressedUtilization}, pressedCost ${bounds.pressedCost}`,
    heldBytes: 0,
    rules: ['HTTP-109'],
  },
  {
    who: 'stranger',
    per: 'node',
    what: 'fetches of a key set for unknown keys, one at a time',
    bounds: `JWKS_MAX_BYTES ${bytes(JWKS_MAX_BYTES)}, JWKS_REDIRECTS_MAX_COUNT ${JWKS_REDIRECTS_MAX_COUNT}, at most one each 30 s`,
    heldBytes: JWKS_MAX_BYTES,
    rules: ['AUTH-20', 'AUTH-23', 'AUTH-305'],
  },
  {
    who: 'stranger',
    per: 'node',
    what: 'kids that a key set does not have, remembered until a fetch looked for them, and as many after it',
    bounds: `UNKNOWN_KIDS_MAX_COUNT ${UNKNOWN_KIDS_MAX_COUNT}, KID_MAX_LENGTH ${KID_MAX_LENGTH} characters`,
    heldBytes: 2 * UNKNOWN_KIDS_MAX_COUNT * 2 * KID_MAX_LENGTH,
    rules: ['AUTH-308'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'frames a second, counted before parsing: one for each started 16 KiB, eight for a page, one for each 16 KiB of an answer, one for a ping',
    bounds: 'SLUICE_FRAMES_PER_SECOND 100; five seconds above it the socket is closed',
    heldBytes: 0,
    cpuUsPerByte: 10,
    rules: ['CONN-123', 'CONN-124', 'CONN-126', 'CONN-127'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'a frame, or an HTTP body, of whatever shape; looked through before it is parsed',
    bounds: `1 MiB; jsonDepthMax ${bounds.jsonDepthMax}, jsonValuesMax ${count(bounds.jsonValuesMax)}, jsonNumberLength ${bounds.jsonNumberLength}`,
    heldBytes: 3 * MIB,
    heldNote: 'bytes, their text, and what is parsed of it',
    cpuUsPerByte: 0.05,
    rules: ['BAD-120', 'BAD-121', 'HTTP-120', 'HTTP-121'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'a frame in many pieces or fragments',
    bounds: 'LEAST_CHUNK_BYTES 512, MAX_FRAGMENTS 1,024 (`ws`; uWebSockets.js joins pieces)',
    heldBytes: 2 * MIB,
    cpuUsPerByte: 11,
    rules: ['SOCKET-122'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'requests that wait for earlier answers to be read',
    bounds: `requestsAtOnce ${bounds.requestsAtOnce}, requestsWaitingMax ${bounds.requestsWaitingMax}, requestsWaitingLength ${bytes(bounds.requestsWaitingLength)} of characters`,
    heldBytes: 2 * bounds.requestsWaitingLength + bounds.requestsWaitingMax * 16 * KIB,
    rules: ['CONN-14', 'CONN-132'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'answers, records and deltas that are not read',
    bounds: `unsentForRequestsBytes ${bytes(bounds.unsentForRequestsBytes)} in the library, unansweredForRequestsBytes ${bytes(bounds.unansweredForRequestsBytes)} in all, kernel included`,
    heldBytes: bounds.unansweredForRequestsBytes,
    heldNote: 'the kernel takes 208 KiB and more of it first',
    rules: ['CONN-131', 'OUTBOX-1', 'WINDOW-1'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'refusals that are not read, and anything else',
    bounds: `unreadBytesMax ${bytes(bounds.unreadBytesMax)}, or three heartbeats, then closed; MAX_UNSENT_BYTES ${bytes(MAX_UNSENT_BYTES)}, then ended`,
    heldBytes: bounds.unreadBytesMax,
    rules: ['CONN-129', 'SOCKET-17'],
  },
  {
    who: 'socket',
    per: 'socket',
    what: 'pongs that are not read',
    bounds: `unreadPongsBytes ${bytes(bounds.unreadPongsBytes)}`,
    heldBytes: bounds.unreadPongsBytes,
    rules: ['SOCKET-121'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'sockets',
    bounds: 'SLUICE_SOCKETS_PER_SUBJECT 200',
    heldBytes: 200 * bounds.unreadBytesMax,
    heldNote: 'if none of them reads, for at most three heartbeats',
    rules: ['CONN-16', 'BAD-14'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'frames a second over all its sockets on a node',
    bounds: `subjectRateSockets ${bounds.subjectRateSockets} × SLUICE_FRAMES_PER_SECOND`,
    heldBytes: 0,
    rules: ['CONN-128'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'HTTP requests a second, and at once beside its streams',
    bounds: `SLUICE_FRAMES_PER_SECOND 100; subjectRequestsAtOnce ${bounds.subjectRequestsAtOnce}; subjectBodyBytes ${bytes(bounds.subjectBodyBytes)} of bodies`,
    heldBytes: 2 * bounds.subjectBodyBytes,
    rules: ['HTTP-102', 'HTTP-108'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'HTTP streams, of which nothing is taken',
    bounds: `SLUICE_SOCKETS_PER_SUBJECT 200, stalledMs ${seconds(stalledMs)}`,
    heldBytes: 200 * 64 * KIB,
    rules: ['HTTP-16', 'HTTP-10'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'what its sessions hold in the store; a full share refuses this subject alone',
    bounds: `SLUICE_BYTES_PER_SUBJECT a quarter of the store, at most ${bytes(subjectBytesMax)}; SLUICE_SESSIONS_PER_SUBJECT ${count(subjectSessionsMax)}`,
    heldBytes: subjectBytesMax + tapeBytes,
    heldNote: 'one answer above it for each running turn',
    rules: ['STORE-160', 'STORE-162', 'STORE-164', 'CONN-160'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'sessions made, metadata and feedback written',
    bounds: `SLUICE_WRITES_PER_MINUTE ${bounds.writesPerMinute}; 16 ratings an answer`,
    heldBytes: 0,
    rules: ['CONN-161', 'CONN-162', 'STORE-167', 'STORE-169'],
  },
  {
    who: 'subject',
    per: 'subject',
    what: 'a turn looked up by its id',
    bounds: 'one question to the store, however long the session is',
    heldBytes: 0,
    rules: ['HTTP-122', 'HTTP-123'],
  },
]

/** The table as docs/LIMITS.md has it. */
export function exposureTable(): string {
  const head = [
    '| who | per | what | bound | most bytes held | most CPU of a byte | rules |',
    '|---|---|---|---|---|---|---|',
  ]
  return [...head, ...exposure.map(rowOf)].join('\n')
}

function rowOf({ who, per, what, bounds: bound, heldBytes, heldNote, cpuUsPerByte, rules }: ExposureLine): string {
  const held = heldBytes === 0 ? '–' : `${bytes(heldBytes)}${heldNote === undefined ? '' : `; ${heldNote}`}`
  const cpu = cpuUsPerByte === undefined ? '–' : `${cpuUsPerByte} µs`
  return `| ${[who, per, what, bound, held, cpu, rules.join(', ')].join(' | ')} |`
}

function bytes(count_: number): string {
  return count_ % MIB === 0 || count_ >= 10 * MIB ? `${Math.ceil(count_ / MIB)} MiB` : `${Math.ceil(count_ / KIB)} KiB`
}

function seconds(ms: number): string {
  return `${ms / 1000} s`
}

function count(many: number): string {
  return many.toLocaleString('en')
}
