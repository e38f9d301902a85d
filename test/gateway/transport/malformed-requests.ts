/**
 * Requests that two readers could read differently, each with a second one hidden behind or inside of it (RFC 9112, 6.3 and
 * 11.2). None of them may make the gateway serve `/hidden`.
 */
export interface MalformedRequest {
  readonly name: string
  readonly bytes: string
  /** The handler may have been called with it: its fault is in the body, or a library leaves the faulty field out. */
  readonly reachesHandler: boolean
}

const hidden = 'GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n'
const chunks = '3\r\nabc\r\n0\r\n\r\n'

function oldHead(...fields: readonly string[]): string {
  return ['POST /first HTTP/1.0', 'Host: localhost', ...fields, '\r\n'].join('\r\n')
}

function head(...fields: readonly string[]): string {
  return ['POST /first HTTP/1.1', 'Host: localhost', ...fields, '\r\n'].join('\r\n')
}

const inHead: readonly (readonly [string, string])[] = [
  ['two lengths that differ', `${head('Content-Length: 3', 'Content-Length: 5')}abc${hidden}`],
  ['two equal lengths', `${head('Content-Length: 3', 'Content-Length: 3')}abc${hidden}`],
  ['a list of lengths', `${head('Content-Length: 3, 3')}abc${hidden}`],
  ['an empty length', head('Content-Length:') + hidden],
  ['a length of blanks', head('Content-Length:   ') + hidden],
  ['a negative length', head('Content-Length: -1') + hidden],
  ['a signed length', `${head('Content-Length: +3')}abc${hidden}`],
  ['a hexadecimal length', `${head('Content-Length: 0x3')}abc${hidden}`],
  ['a length with a fraction', `${head('Content-Length: 3.0')}abc${hidden}`],
  ['a length with a blank inside', `${head('Content-Length: 0 3')}abc${hidden}`],
  ['a length above all numbers', head('Content-Length: 99999999999999999999') + hidden],
  ['a length and a coding', head('Content-Length: 3', 'Transfer-Encoding: chunked') + chunks + hidden],
  ['a coding and a length', head('Transfer-Encoding: chunked', 'Content-Length: 3') + chunks + hidden],
  ['a list of codings', head('Transfer-Encoding: chunked, identity') + chunks + hidden],
  ['a list that ends in chunked', head('Transfer-Encoding: gzip, chunked') + chunks + hidden],
  ['two codings', head('Transfer-Encoding: chunked', 'Transfer-Encoding: identity') + chunks + hidden],
  ['chunked twice', head('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked') + chunks + hidden],
  ['an unknown coding', head('Transfer-Encoding: xchunked') + chunks + hidden],
  ['identity', `${head('Transfer-Encoding: identity', 'Content-Length: 3')}abc${hidden}`],
  ['an empty coding', head('Transfer-Encoding:') + hidden],
  ['a quoted coding', head('Transfer-Encoding: "chunked"') + chunks + hidden],
  ['a coding in capitals', head('Transfer-Encoding: CHUNKED') + chunks + hidden],
  ['a coding behind a tab and a control character', head('Transfer-Encoding:\t\x0bchunked') + chunks + hidden],
  ['a blank before the colon of a length', `${head('Content-Length : 3')}abc${hidden}`],
  ['a blank before the colon of a coding', head('Transfer-Encoding : chunked') + chunks + hidden],
  ['a folded coding', head('X: a', ' b', 'Transfer-Encoding:', ' chunked') + chunks + hidden],
  ['a folded field', head('X: a', ' Content-Length: 3') + hidden],
  [
    'a field that begins with a blank',
    `POST /first HTTP/1.1\r\n Content-Length: 3\r\nHost: localhost\r\n\r\nabc${hidden}`,
  ],
  ['a NUL in a field', head('X: a\0b') + hidden],
  ['a NUL in a name', head('X\0Y: a') + hidden],
  ['a bare CR in a field', head('X: a\rTransfer-Encoding: chunked') + chunks + hidden],
  ['a bare LF between fields', `POST /first HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc${hidden}`],
  ['a bare LF inside the head', `${head('X: a\nContent-Length: 3')}abc${hidden}`],
  ['a name without a colon', head('Content-Length') + hidden],
  ['a name with a blank', head('Content Length: 3') + hidden],
  ['no host', `POST /first HTTP/1.1\r\nContent-Length: 0\r\n\r\n${hidden}`],
  ['two hosts', head('Host: other') + hidden],
  ['an upgrade with a length', `${head('Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 3')}abc${hidden}`],
  ['HTTP/0.9', `GET /first\r\n\r\n${hidden}`],
  ['a coding in HTTP/1.0', oldHead('Transfer-Encoding: chunked') + chunks + hidden],
  [
    'a coding in HTTP/1.0 with keep-alive',
    oldHead('Connection: keep-alive', 'Transfer-Encoding: chunked') + chunks + hidden,
  ],
  ['a length and a coding in HTTP/1.0', oldHead('Content-Length: 3', 'Transfer-Encoding: chunked') + chunks + hidden],
  ['two lengths in HTTP/1.0', `${oldHead('Content-Length: 3', 'Content-Length: 5')}abc${hidden}`],
  ['two hosts in HTTP/1.0', oldHead('Host: other') + hidden],
  ['a version of three digits', `GET /first HTTP/1.10\r\nHost: localhost\r\n\r\n${hidden}`],
  ['another protocol', `GET /first HTTQ/1.1\r\nHost: localhost\r\n\r\n${hidden}`],
  ['a blank in the path', `GET /first /x HTTP/1.1\r\nHost: localhost\r\n\r\n${hidden}`],
]

const chunked = head('Transfer-Encoding: chunked')

const inBody: readonly (readonly [string, string])[] = [
  ['an empty name', head(': 3') + hidden],
  ['a bare LF behind a chunk size', `${chunked}3\nabc\r\n0\r\n\r\n${hidden}`],
  ['a bare LF behind a chunk', `${chunked}3\r\nabc\n0\r\n\r\n${hidden}`],
  ['a bare LF behind the last chunk', `${chunked}3\r\nabc\r\n0\n\n${hidden}`],
  ['a bare CR behind a chunk size', `${chunked}3\rabc\r\n0\r\n\r\n${hidden}`],
  ['other characters behind a chunk', `${chunked}3\r\nabcXY0\r\n\r\n${hidden}`],
  ['a chunk that is longer than its size', `${chunked}3\r\nabcdef\r\n0\r\n\r\n${hidden}`],
  ['a negative chunk size', `${chunked}-3\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['a chunk size with 0x', `${chunked}0x3\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['an overflowing chunk size', `${chunked}100000000000000003\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['an empty chunk size', `${chunked}\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['a chunk size that is no number', `${chunked}zz\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['a bare LF in a chunk extension', `${chunked}3;a\nb\r\nabc\r\n0\r\n\r\n${hidden}`],
  ['a second body in the trailer', `${chunked}0\r\nContent-Length: 3\r\n\r\nabc${hidden}`],
  ['a bare LF in the trailer', `${chunked}0\r\nX: y\n\n${hidden}`],
  ['a body that is right', `${chunked}${chunks}${hidden}`],
  ['a body of a length that is right', `${head('Content-Length: 3')}abc${hidden}`],
  ['HTTP/1.0 with a length', `${oldHead('Content-Length: 3')}abc${hidden}`],
  ['HTTP/1.0 with a length and keep-alive', `${oldHead('Connection: keep-alive', 'Content-Length: 3')}abc${hidden}`],
  ['HTTP/1.0 without a length', oldHead() + hidden],
  ['a GET with a body', `GET /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc${hidden}`],
  [
    'a GET with chunks',
    `GET /first HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}${hidden}`,
  ],
]

export const malformedRequests: readonly MalformedRequest[] = [
  ...inHead.map(([name, bytes]) => ({ name, bytes, reachesHandler: false })),
  ...inBody.map(([name, bytes]) => ({ name, bytes, reachesHandler: true })),
]
