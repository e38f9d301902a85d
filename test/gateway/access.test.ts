import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { get } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'
import { CertificateFolder } from './transport/tls-contract.ts'

/** Who gets a socket and how long: a gateway with keys of its own and a proxy in front, as an operator sets it up. */

const oldSecret = 'the-old-secret-0123456789-0123456789'
const newSecret = 'the-new-secret-0123456789-0123456789'
const issuer = 'https://id.example'
const audience = 'sluice'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const folder = mkdtempSync(join(tmpdir(), 'access-'))
const publicKeyFile = join(folder, 'key.pem')
writeFileSync(publicKeyFile, pair.publicKey.export({ type: 'spki', format: 'pem' }))
afterAll(() => rmSync(folder, { recursive: true }))

const environment = {
  SLUICE_JWT_SECRET: `${newSecret},${oldSecret}`,
  SLUICE_JWT_PUBLIC_KEY_FILE: publicKeyFile,
  SLUICE_JWT_ISSUER: issuer,
  SLUICE_JWT_AUDIENCE: audience,
  SLUICE_TRUSTED_PROXIES: '127.0.0.1',
  SLUICE_SOCKETS_PER_ADDRESS: '2',
}

interface Signing {
  /** Undefined takes a claim out. */
  readonly claims?: Readonly<Record<string, string | number | undefined>>
  readonly key?: string | KeyObject
  readonly endsInSeconds?: number
}

/** A good token of ada's, but for what is said. */
function token({ claims = {}, key = newSecret, endsInSeconds = 600 }: Signing = {}): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + endsInSeconds
  const alg = typeof key === 'string' ? 'HS256' : 'ES256'
  const payload = JSON.parse(JSON.stringify({ sub: 'ada', iss: issuer, aud: audience, exp, ...claims }))
  return new SignJWT(payload)
    .setProtectedHeader({ alg })
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key)
}

describe.each(testedTransports)('access over %s', (transport) => {
  let gateway: TestGateway

  beforeAll(async () => {
    gateway = await startTestGateway({ transport, env: environment })
  })

  afterAll(async () => {
    expect(gateway.telemetry.troubles).toEqual([])
    await gateway[Symbol.asyncDispose]()
  })

  test.each<[string, Signing, number]>([
    ['expired', { endsInSeconds: -60 }, closeCodes.tokenExpired],
    ['not valid yet', { claims: { nbf: 4_000_000_000 } }, closeCodes.unauthenticated],
    ['for another audience', { claims: { aud: 'another' } }, closeCodes.unauthenticated],
    ['of another issuer', { claims: { iss: 'https://other.example' } }, closeCodes.unauthenticated],
    ['without a subject', { claims: { sub: undefined } }, closeCodes.unauthenticated],
    ['without an end', { claims: { exp: undefined } }, closeCodes.unauthenticated],
    ['forged', { key: 'a-secret-of-somebody-else-0123456789' }, closeCodes.unauthenticated],
  ])('[BAD-10] hello with a token that is %s is unauthenticated and closed with its code', async (_, signing, code) => {
    const client = new WireClient(gateway.url)
    await client.opened()
    client.send({ type: 'hello', token: await token(signing) })
    expect(await client.next('error')).toMatchObject({ kind: 'unauthenticated' })
    expect((await client.closed).code).toBe(code)
  })

  test.each<[string, Signing]>([
    ['the new secret', {}],
    ['the old secret', { key: oldSecret }],
    ['the PEM key', { key: pair.privateKey }],
  ])('[CONN-31] a token of %s is welcome, on the socket and over HTTP', async (_, signing) => {
    const good = await token(signing)
    const client = await WireClient.connect(gateway.url, good)
    client.close()
    const listed = await fetch(`${gateway.httpUrl}/v1/sessions`, { headers: { authorization: `Bearer ${good}` } })
    expect(listed.status).toBe(200)
  })

  test('[CONN-32] on a live socket: the end is told ahead, a refresh moves it, and without one the socket ends with 4401', async () => {
    // Inside the clocks' tolerance of 5 s: it ends for good in about 2 s.
    const soon = await token({ endsInSeconds: -3 })
    const refreshed = await WireClient.connect(gateway.url, soon)
    const left = await WireClient.connect(gateway.url, soon)
    const warned = await refreshed.next('token.expiring')
    await left.next('token.expiring')

    const others = await token({ claims: { sub: 'bob' } })
    expect((await refreshed.ask({ type: 'token.refresh', token: others }, 'error')).kind).toBe('forbidden')
    const tenant = await token({ claims: { tenant: 'another' } })
    expect((await refreshed.ask({ type: 'token.refresh', token: tenant }, 'error')).kind).toBe('forbidden')
    const forged = await token({ key: 'a-secret-of-somebody-else-0123456789' })
    expect((await refreshed.ask({ type: 'token.refresh', token: forged }, 'error')).kind).toBe('unauthenticated')
    const answer = await refreshed.ask(
      { type: 'token.refresh', token: await token({ key: oldSecret }) },
      'token.refreshed',
    )
    expect(answer.tokenExpiresAt).toBeGreaterThan(warned.tokenExpiresAt + 500_000)

    expect(await left.next('error')).toMatchObject({ kind: 'unauthenticated' })
    expect((await left.closed).code).toBe(closeCodes.tokenExpired)
    // The other one had the same token, so its end has passed too.
    await refreshed.ask({ type: 'session.open' }, 'session.opened')
    refreshed.close()
  })

  test('[CONN-33] an address behind a trusted proxy has as many sockets as it may, and loopback is never counted', async () => {
    const good = await token()
    const from = (address: string) => new WireClient(gateway.url, { headers: { 'X-Forwarded-For': address } })
    const welcome = async (client: WireClient) => {
      await client.opened()
      client.send({ type: 'hello', token: good })
      await client.next('welcome')
      return client
    }
    const first = await welcome(from('203.0.113.5'))
    const second = await welcome(from('198.51.100.1, 203.0.113.5'))
    expect((await from('203.0.113.5').closed).code).toBe(closeCodes.tooManySockets)
    const other = await welcome(from('203.0.113.6'))
    const near = await Promise.all([1, 2, 3].map(() => welcome(new WireClient(gateway.url))))
    first.close()
    await first.closed
    const again = await welcome(from('203.0.113.5'))
    for (const client of [second, other, again, ...near]) client.close()
  })

  test('[CONN-34] a peer that is no trusted proxy cannot name another address', async () => {
    const env = { ...environment, SLUICE_TRUSTED_PROXIES: '192.0.2.1', SLUICE_SOCKETS_PER_ADDRESS: '1' }
    await using direct = await startTestGateway({ transport, env })
    const good = await token()
    for (let n = 0; n < 3; n++) {
      const client = new WireClient(direct.url, { headers: { 'X-Forwarded-For': '203.0.113.5' } })
      await client.opened()
      client.send({ type: 'hello', token: good })
      await client.next('welcome')
    }
    expect(direct.gateway.state().sockets).toBe(3)
  })

  test('[CONN-35] [HTTP-105] with the variables of TLS the socket and HTTP are served over it, and plain ones are not', async () => {
    using certificates = new CertificateFolder()
    certificates.write('127.0.0.1', 'tls.crt', 'tls.key')
    const [certFile, keyFile] = [certificates.path('tls.crt'), certificates.path('tls.key')]
    const env = { ...environment, SLUICE_TLS_CERT_FILE: certFile, SLUICE_TLS_KEY_FILE: keyFile }
    await using secure = await startTestGateway({ transport, env })
    const { port } = secure.gateway
    const client = new WireClient(`wss://127.0.0.1:${port}/v1/socket`, { trustsAnybody: true })
    await client.opened()
    client.send({ type: 'hello', token: await token() })
    await client.next('welcome')
    client.close()
    expect(await statusOverTls(`https://127.0.0.1:${port}/healthz`)).toBe(200)
    await expect(fetch(`http://127.0.0.1:${port}/healthz`)).rejects.toThrow()
    for (const path of ['/healthz', '/v1/sessions', '/v1/openapi.json']) {
      const asked = await headersOverTls(`https://127.0.0.1:${port}${path}`)
      expect([path, asked['strict-transport-security']]).toEqual([path, 'max-age=31536000'])
    }
  })
})

function headersOverTls(url: string): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    get(url, { rejectUnauthorized: false }, (response) => resolve(response.resume().headers)).on('error', reject)
  })
}

function statusOverTls(url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const request = get(url, { rejectUnauthorized: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject)
  })
}
