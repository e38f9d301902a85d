import {
  bearer,
  brokenUploads,
  dripping,
  fixedPath,
  flood,
  halfBodies,
  hostileBodies,
  idleKeepAlive,
  knownTag,
  pipelined,
  unreadAnswers,
} from './http-attacks.ts'
import type { Line } from './line.ts'
import { type ShapeName, shapeNames, shapes } from './shapes.ts'
import {
  badHellos,
  firstFrames,
  forgedToken,
  heldFrames,
  longToken,
  oneByteSegments,
  silentSockets,
  tinyFragments,
  unknownKeyToken,
  unreadPongs,
} from './stranger-attacks.ts'
import {
  createRequest,
  feedbackRequest,
  greetedFrames,
  greetedPongs,
  historyRequest,
  listRequest,
  requestFlood,
  sessionPath,
  unknownTurnPath,
  unreadBadFrames,
  unreadErrors,
  unreadRequests,
  updateRequest,
} from './subject-attacks.ts'

const stranger = { who: 'stranger', per: 'address' } as const
const strangerSocket = { who: 'stranger', per: 'socket' } as const
const greeted = { who: 'greeted', per: 'socket' } as const
const subject = { who: 'subject', per: 'subject' } as const

function piped(path: 'page' | '/v1/openapi.json' | '/healthz', kilobytes: number, connectionCount: number): Line {
  const what = path === 'page' ? "the page's script" : path
  const sends = `${kilobytes} KB of requests for ${what} at once, no answer read`
  const prepare = pipelined(path, kilobytes * 1_000, connectionCount)
  return { ...stranger, sends, connectionCount, seconds: 8, prepare }
}

function first(name: ShapeName): Line {
  const sends = `20 frames of 1 MiB before hello: ${name}`
  return { ...strangerSocket, sends, connectionCount: 1, seconds: 15, prepare: firstFrames([name]) }
}

/** The table of attacks, by name. Each runs alone against a gateway of its own. */
export const lines: Readonly<Record<string, Line>> = {
  'pipelined-page-71k': piped('page', 71, 1),
  'pipelined-page-286k': piped('page', 286, 4),
  'pipelined-openapi-71k': piped('/v1/openapi.json', 71, 1),
  'pipelined-openapi-286k': piped('/v1/openapi.json', 286, 4),
  'pipelined-healthz-71k': piped('/healthz', 71, 1),
  'pipelined-healthz-286k': piped('/healthz', 286, 4),
  'unread-answers': {
    ...stranger,
    sends: "one request for the page's script, answer not read",
    connectionCount: 300,
    seconds: 27,
    prepare: unreadAnswers(300),
  },
  'blank-lines': {
    ...stranger,
    sends: 'an empty line a second',
    connectionCount: 50,
    seconds: 20,
    prepare: dripping(50, { drip: '\r\n', everyMs: 1_000 }),
  },
  'slow-heads': {
    ...stranger,
    sends: 'a request head, a byte each 500 ms',
    connectionCount: 200,
    seconds: 20,
    prepare: dripping(200, { first: 'GET /healthz HTTP/1.1\r\nHost: a\r\nX: ', drip: 'a' }),
  },
  'half-bodies-stranger': {
    ...stranger,
    sends: 'half of a body of 1 MB, without a token',
    connectionCount: 50,
    seconds: 20,
    prepare: halfBodies(50, false),
  },
  'half-bodies': {
    ...subject,
    sends: 'half of a body of 1 MB, with a token',
    connectionCount: 50,
    seconds: 20,
    prepare: halfBodies(50, true),
  },
  'broken-uploads': {
    ...subject,
    sends: 'bodies broken off after 50 KB, one after the other',
    connectionCount: 8,
    seconds: 5,
    prepare: brokenUploads(8),
  },
  'idle-keep-alive': {
    ...stranger,
    sends: 'one request, then nothing',
    connectionCount: 500,
    seconds: 20,
    prepare: idleKeepAlive(500),
  },
  'flood-page-head': {
    ...stranger,
    sends: "HEAD of the page's script, one after the other",
    connectionCount: 4,
    seconds: 4,
    prepare: flood(4, { method: 'HEAD', path: fixedPath('page') }),
  },
  'flood-page-304': {
    ...stranger,
    sends: "GET of the page's script that is known, one after the other",
    connectionCount: 4,
    seconds: 4,
    prepare: flood(4, { path: fixedPath('page'), headers: knownTag }),
  },
  'flood-openapi': {
    ...stranger,
    sends: 'GET of /v1/openapi.json, one after the other',
    connectionCount: 4,
    seconds: 4,
    prepare: flood(4, { path: fixedPath('/v1/openapi.json') }),
  },
  'flood-healthz': {
    ...stranger,
    sends: 'GET of /healthz, one after the other',
    connectionCount: 4,
    seconds: 4,
    prepare: flood(4, { path: fixedPath('/healthz') }),
  },
  'flood-forged-bearer': {
    ...stranger,
    sends: 'GET of /v1/sessions with forged tokens, one after the other',
    connectionCount: 4,
    seconds: 4,
    prepare: flood(4, { path: () => '/v1/sessions', headers: (stage) => bearer(forgedToken(stage, 0)) }),
  },
  ...Object.fromEntries(shapeNames.map((name) => [`first-${name}`, first(name)])),
  'held-frames': {
    ...strangerSocket,
    sends: 'a hello whose key set does not answer, and 32 frames of 1 MiB',
    connectionCount: 12,
    seconds: 12,
    keySet: 'silent',
    prepare: heldFrames(12, 32),
  },
  'one-byte-segments': {
    ...strangerSocket,
    sends: 'a frame of 1 MB, each byte in a TCP segment of its own',
    connectionCount: 4,
    seconds: 9,
    prepare: oneByteSegments(4),
  },
  'empty-fragments': {
    ...strangerSocket,
    sends: 'empty fragments of one message',
    connectionCount: 4,
    seconds: 6,
    prepare: tinyFragments(4, 0),
  },
  'one-byte-fragments': {
    ...strangerSocket,
    sends: 'fragments of one byte of one message',
    connectionCount: 4,
    seconds: 6,
    prepare: tinyFragments(4, 1),
  },
  'unread-pongs-stranger': {
    ...strangerSocket,
    sends: 'pings of 125 bytes, no pong read',
    connectionCount: 8,
    seconds: 9,
    prepare: unreadPongs(8),
  },
  'silent-sockets': {
    ...stranger,
    sends: 'an upgrade, then nothing',
    connectionCount: 1_500,
    seconds: 15,
    prepare: silentSockets(1_500),
  },
  'forged-hellos': {
    ...stranger,
    sends: 'a hello with a forged token, then the next socket',
    connectionCount: 8,
    seconds: 5,
    prepare: badHellos(8, forgedToken),
  },
  'long-hellos': {
    ...stranger,
    sends: 'a hello with a bad token of 16 KiB, then the next socket',
    connectionCount: 8,
    seconds: 5,
    prepare: badHellos(8, longToken),
  },
  'unknown-keys': {
    ...stranger,
    sends: 'a hello with an unknown kid, then the next socket',
    connectionCount: 8,
    seconds: 5,
    keySet: 'answering',
    prepare: badHellos(8, (_, n) => unknownKeyToken(n)),
  },
  'greeted-metadata-lists': {
    ...greeted,
    sends: '20 frames of 1 MiB after welcome: metadata-lists',
    connectionCount: 1,
    seconds: 20,
    prepare: greetedFrames(['metadata-lists']),
  },
  'greeted-all-shapes': {
    ...greeted,
    sends: '20 frames of 1 MiB after welcome, of all shapes',
    connectionCount: 1,
    seconds: 20,
    prepare: greetedFrames(shapeNames),
  },
  'hostile-bodies': {
    ...subject,
    sends: '10 bodies of 1 MiB over HTTP: metadata-lists',
    connectionCount: 1,
    seconds: 20,
    prepare: hostileBodies(10, () => shapes['metadata-lists'](), sessionPath),
  },
  'unread-pongs': {
    ...greeted,
    sends: 'pings of 125 bytes, no pong read',
    connectionCount: 40,
    seconds: 10,
    prepare: greetedPongs(40),
  },
  'unread-errors': {
    ...greeted,
    sends: '90 requests a second for a session that is not there, no error read',
    connectionCount: 40,
    seconds: 8,
    prepare: unreadErrors(40),
  },
  'unread-bad-frames': {
    ...greeted,
    sends: '90 unknown frames a second, no error read',
    connectionCount: 40,
    seconds: 5,
    prepare: unreadBadFrames(40),
  },
  'unread-lists': {
    ...greeted,
    sends: '90 session.list over 100 sessions with 7 KB of metadata, no answer read',
    connectionCount: 40,
    seconds: 10,
    prepare: unreadRequests(40, listRequest),
  },
  'unread-history': {
    ...greeted,
    sends: '90 history.get of 100 records, no answer read',
    connectionCount: 40,
    seconds: 10,
    prepare: unreadRequests(40, historyRequest),
  },
  'list-flood': {
    ...subject,
    sends: '90 session.list a second over 100 sessions with 7 KB of metadata',
    connectionCount: 1,
    seconds: 6,
    prepare: requestFlood(1, listRequest),
  },
  'unknown-turns': {
    ...subject,
    sends: 'events of an unknown turn of a session of 1,000 records, over HTTP',
    connectionCount: 20,
    seconds: 5,
    prepare: flood(20, { path: unknownTurnPath, headers: (stage) => bearer(stage.options.token) }),
  },
  'feedback-flood': {
    ...subject,
    sends: '90 ratings a second of one answer, with comments of 3,950 characters',
    connectionCount: 1,
    seconds: 15,
    prepare: requestFlood(1, feedbackRequest),
  },
  'update-flood': {
    ...subject,
    sends: '90 changes a second of 7 KB of metadata',
    connectionCount: 1,
    seconds: 8,
    prepare: requestFlood(1, updateRequest),
  },
  'create-flood': {
    ...subject,
    sends: '90 new sessions a second on each of 10 sockets',
    connectionCount: 10,
    seconds: 6,
    prepare: requestFlood(10, createRequest),
  },
}
