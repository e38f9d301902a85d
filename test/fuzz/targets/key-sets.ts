/** What a JWKS endpoint may answer. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { handSigned, jwtConfig, NOW, unsigned } from '../../gateway/auth/tokens.ts'
import { many } from '../generate.ts'
import { hostileJson } from '../grammar/json.ts'
import { inOrder, listOf, mostly, oneOf, repeated, word, words } from '../grammar/pieces.ts'
import { bytesOf, type Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage } from './promises.ts'

/** Each is for other keys of the set. None of them is signed by any. */
const strangers = [
  `${unsigned({ alg: 'RS256', kid: 'a' }, {})}AAAA`,
  `${unsigned({ alg: 'ES256' }, {})}AAAA`,
  handSigned({ alg: 'EdDSA', kid: 'a' }, {}),
]

async function run({ text }: Input): Promise<string> {
  const bytes = new Uint8Array(bytesOf(text))
  const kinds: string[] = []
  const authenticator = createAuthenticator(jwtConfig({ jwksUrl: 'http://127.0.0.1/keys' }), {
    nowMs: () => NOW * 1_000,
    reportKeyTrouble: (problem) => assertMessage(problem),
  })
  await answering(bytes, async () => {
    for (const token of strangers) {
      const verification = await authenticator.verify(token)
      assert.equal(verification.kind, 'refused', 'a token was accepted that nobody signed')
      if (verification.kind === 'refused') kinds.push(verification.reason)
    }
  })
  return kinds.join(' ')
}

/** The endpoint is asked by `fetch`, which answers at once here: this target is about what is read, not about the way. */
async function answering(bytes: Uint8Array<ArrayBuffer>, act: () => Promise<void>): Promise<void> {
  const before = globalThis.fetch
  globalThis.fetch = async () => new Response(bytes)
  try {
    await act()
  } finally {
    globalThis.fetch = before
  }
}

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })
const whole = words(
  JSON.stringify({ ...rsa, kid: 'a', alg: 'RS256' }),
  JSON.stringify(rsa),
  JSON.stringify({ ...ec, use: 'enc' }),
  JSON.stringify(ec),
  '{"kty":"oct","k":"AAAA","kid":"a"}',
  '{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"a"}',
  '{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"a"}',
  '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
)
const field = oneOf(
  ...['kty', 'kid', 'n', 'e', 'crv', 'x', 'alg', 'use', 'key_ops'].map((name) =>
    inOrder(word(`"${name}":`), hostileJson),
  ),
)
const key = mostly([4, whole], [2, inOrder(word('{"kty":"RSA",'), listOf(field, ','), word('}'))], [1, hostileJson])
const keys = mostly(
  [5, listOf(key, ',')],
  [1, repeated('{"kty":"RSA","n":"AQAB","e":"AQAB"},', many)],
  [1, repeated('{},', many)],
)

export const keySets: Target = {
  name: 'key-sets',
  what: 'key sets of a JWKS endpoint',
  grammar: mostly(
    [8, inOrder(word('{"keys":['), keys, word(']}'))],
    [1, inOrder(word('{"keys":'), hostileJson, word('}'))],
    [1, hostileJson],
  ),
  // Above 512 KiB it is refused while it is read.
  unitsMax: 640 * 1024,
  // The operator's own endpoint, asked at most every 30 s.
  bound: { cpuMs: 300, heapBytes: 64 * 1024 * 1024 },
  run,
}
