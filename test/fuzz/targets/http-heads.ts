/** What a request says outside of its body: query, `Authorization`, the addresses that proxies write. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import fc from 'fast-check'
import type { z } from 'zod'
import { readUpgradeToken } from '../../../gateway/auth/token-source.ts'
import { TrustedProxies } from '../../../gateway/client-address.ts'
import { readQuery } from '../../../gateway/http/request-parts.ts'
import {
  developmentTokenQuery,
  eventsQuery,
  historyQuery,
  sessionsQuery,
  textQuery,
  usageQuery,
} from '../../../gateway/http/schemas.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage, kindOf } from './promises.ts'

const queries: readonly z.ZodType[] = [
  developmentTokenQuery,
  eventsQuery,
  historyQuery,
  sessionsQuery,
  textQuery,
  usageQuery,
]

const proxies = new TrustedProxies([
  { address: '10.0.0.0', prefixBits: 8, family: 'ipv4' },
  { address: 'fd00::', prefixBits: 8, family: 'ipv6' },
])

/** Line by line: the query, `Authorization`, `X-Forwarded-For`. */
function run({ text }: Input): string {
  const [query = '', authorization = '', forwardedFor = ''] = text.split('\n', 3)
  const url = URL.parse(`http://127.0.0.1/v1/sessions?${query}`)
  const kinds = url === null ? ['no-url'] : queries.map((schema) => queryKind(url, schema))
  const token = readUpgradeToken(`/v1?${query}`, authorization)
  if (token.kind === 'refused') assertMessage(token.message)
  if (token.kind === 'token') assert.ok(authorization.includes(token.token))
  const client = proxies.clientAddress('10.0.0.1', forwardedFor)
  assert.notEqual(isIP(client), 0, 'the client has no address')
  assert.equal(proxies.clientAddress('192.0.2.1', forwardedFor), '192.0.2.1', 'a peer that is not trusted was believed')
  return [...kinds, token.kind, String(isIP(client))].join(' ')
}

function queryKind(url: URL, schema: z.ZodType): string {
  const parsed = readQuery(new Request(url), schema)
  if (parsed.kind === 'ok') return 'ok'
  assertMessage(parsed.refusal.message)
  return kindOf(parsed.refusal.message)
}

const name = words(
  'before',
  'limit',
  'part',
  'at',
  'lastEventId',
  'subject',
  'scope',
  'session',
  'token',
  'Access_Token',
  '__proto__',
)
const value = mostly(
  [4, words('1', '50', '0', '101', '9007199254740993', 'chat+history', 'a%00', '%', '%ff', 'u1.s')],
  [1, textsOf(nasty)],
)
const query = listOf(inOrder(name, word('='), value), '&')
const scheme = words('Bearer ', 'bearer\t', 'Basic ', 'Bearer', 'Bearer  ', 'Bearer a ')
const authorization = inOrder(scheme, oneOf(words('a.b.c', '', 'x y'), repeated('a', many)))
const address = words(
  '10.0.0.2',
  '203.0.113.9',
  '::1',
  '[2001:db8::1]:443',
  '10.1.2.3:80',
  'unknown',
  '_x',
  '',
  'fe80::1%eth0',
  '::ffff:10.0.0.9',
  '1.2.3.4:x',
)
const forwarded = oneOf(listOf(address, ', ', 12), repeated('10.0.0.2,', many), repeated(',', many))

export const httpHeads: Target = {
  name: 'http-heads',
  what: 'queries, Authorization and X-Forwarded-For',
  grammar: fc.oneof(
    inOrder(query, word('\n'), authorization, word('\n'), forwarded),
    inOrder(repeated('before=1&', many), word('\n\n')),
  ),
  // Both transports refuse a longer head.
  unitsMax: 32 * 1024,
  bound: { cpuMs: 50, heapBytes: 16 * 1024 * 1024 },
  run,
}
