/** Tokens: any header over any claims, with a signature that is right, wrong or none. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { isName, scopes } from '../../../gateway/auth/identity.ts'
import { AUDIENCE, ISSUER, NOW, SECRET, secretConfig } from '../../gateway/auth/tokens.ts'
import { many } from '../generate.ts'
import { hostileJson } from '../grammar/json.ts'
import { inOrder, listOf, mostly, oneOf, repeated, word, words } from '../grammar/pieces.ts'
import { bytesOf, type Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage } from './promises.ts'

const authenticator = createAuthenticator(secretConfig(), {
  nowMs: () => NOW * 1_000,
  reportKeyTrouble: () => undefined,
})

/** Line by line: header, claims, and how it is signed: `right`, or the signature itself. */
async function run({ text }: Input): Promise<string> {
  const [header = '', claims = '', signature = ''] = text.split('\n', 3)
  const body = `${base64Url(header)}.${base64Url(claims)}`
  const right = createHmac('sha256', SECRET).update(body).digest('base64url')
  const made = await verdictOn(`${body}.${signature === 'right' ? right : signature}`, signature === 'right')
  return `${made} ${await verdictOn(text, false)}`
}

async function verdictOn(token: string, isSigned: boolean): Promise<string> {
  const verification = await authenticator.verify(token)
  if (verification.kind === 'refused') {
    assertMessage(verification.message)
    return verification.reason
  }
  assert.ok(isSigned, 'a token was accepted that nobody signed')
  const { identity } = verification
  assert.ok(isName(identity.subject) && isName(identity.tenant) && identity.expiresAtMs > NOW * 1_000 - 60_000)
  assert.ok([...identity.scopes].every((scope) => scopes.includes(scope)))
  return 'ok'
}

function base64Url(text: string): string {
  return bytesOf(text).toString('base64url')
}

const header = mostly(
  [6, word('{"alg":"HS256"}')],
  [
    3,
    inOrder(
      word('{"alg":'),
      mostly([4, words('"HS256"', '"none"', '"RS256"', '"HS512"', '["HS256"]', '"__proto__"')], [1, hostileJson]),
      word(',"kid":'),
      hostileJson,
      word('}'),
    ),
  ],
  [1, inOrder(word('{"alg":"HS256","crit":'), hostileJson, word('}'))],
  [1, inOrder(word('{"alg":"HS256","b64":'), hostileJson, word('}'))],
  [1, hostileJson],
)
const claim = oneOf(
  ...['sub', 'exp', 'iss', 'aud', 'nbf', 'iat', 'tenant', 'project', 'scope', 'jti', '__proto__'].map((name) =>
    inOrder(word(`"${name}":`), hostileJson),
  ),
)
const good = `"sub":"ada","iss":"${ISSUER}","aud":"${AUDIENCE}","exp":${NOW + 600}`
const claims = mostly(
  [3, word(`{${good}}`)],
  [6, inOrder(word(`{${good},`), claim, word('}'))],
  [3, inOrder(word('{'), listOf(claim, ','), word('}'))],
  [1, hostileJson],
)
const signature = mostly([8, word('right')], [2, words('', 'AAAA', '.', 'right.right', '=')], [1, repeated('A', many)])

export const tokens: Target = {
  name: 'tokens',
  what: 'tokens',
  grammar: inOrder(header, word('\n'), claims, word('\n'), signature),
  // A socket's `hello` may bring up to a frame; the authenticator refuses what is above 16 KiB unread.
  unitsMax: 64 * 1024,
  bound: { cpuMs: 50, heapBytes: 16 * 1024 * 1024 },
  run,
}
