/** Which requests of the gateway go through a proxy, and that they do. */
import { readFileSync } from 'node:fs'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultJwksTimes, jwksSource } from '../../../gateway/auth/jwks.ts'
import { policyOfEnvironment } from '../../../gateway/config/policy/read-policy.ts'
import { describePolicy } from '../../../gateway/config/policy/summary.ts'
import { type ProxyConfig, proxyFor } from '../../../gateway/config/proxies.ts'
import { Secret } from '../../../gateway/config/secret.ts'
import { type Config, readConfig } from '../../../gateway/config.ts'
import { proxyKeySets } from '../../../gateway/fetch-proxy.ts'
import { createModerator } from '../../../orchestrator/privacy/moderate.ts'
import { connectTarget } from '../../../orchestrator/providers/connect.ts'
import { startModerationServer } from '../../orchestrator/privacy/moderation-server.ts'
import { ask, startProvider } from '../../orchestrator/provider-server.ts'
import { makeAuthority } from '../../support/authority.ts'
import { startConnectProxy } from '../../support/connect-proxy.ts'
import { jwk } from '../auth/jwks-server.ts'
import { ecPair } from '../auth/tokens.ts'
import { policyIn } from './policy/files.ts'

const proxies: ProxyConfig = {
  http: new Secret('http://for-http:1'),
  https: new Secret('http://for-https:2'),
  exceptions: [],
}

function configOf(environment: Readonly<Record<string, string>>): Config {
  const read = readConfig(environment)
  if (read.kind === 'ok') return read.config
  throw new Error(read.problems.join('\n'))
}

describe('the choice of a proxy', () => {
  test('[CONF-340] goes by the scheme of the address, and loopback has none', () => {
    const of = (url: string) => proxyFor(new URL(url), proxies)?.reveal()
    expect(of('https://api.example/v1')).toBe('http://for-https:2')
    expect(of('http://api.example/v1')).toBe('http://for-http:1')
    for (const host of ['localhost', '127.0.0.1:8080', '127.9.9.9', '[::1]:80']) {
      expect([host, of(`http://${host}/v1`), of(`https://${host}/v1`)]).toEqual([host, undefined, undefined])
    }
    expect(proxyFor(new URL('https://a.example'), { ...proxies, https: undefined })).toBeUndefined()
  })

  test.each([
    ['*', 'https://anything.example', true],
    ['example.com', 'https://example.com/v1', true],
    ['example.com', 'https://api.EXAMPLE.com', true],
    ['example.com', 'https://notexample.com', false],
    ['.example.com', 'https://api.example.com', true],
    ['.example.com', 'https://example.com', true],
    ['*.example.com', 'https://api.example.com', true],
    ['EXAMPLE.com.', 'https://example.com', true],
    ['example.com:8443', 'https://example.com:8443', true],
    ['example.com:8443', 'https://example.com', false],
    ['example.com:443', 'https://example.com', true],
    ['example.com:80', 'http://example.com', true],
    ['10.0.0.0/8', 'http://10.1.2.3:8000', true],
    ['10.0.0.0/8', 'http://11.1.2.3', false],
    ['10.0.0.0/8', 'http://host10.example', false],
    ['10.1.2.3', 'http://10.1.2.3', true],
    ['10.1.2.3:81', 'http://10.1.2.3', false],
    ['2001:db8::/32', 'http://[2001:db8::7]', true],
    ['2001:db8::7', 'http://[2001:db8::7]', true],
    ['[2001:db8::7]:8080', 'http://[2001:db8::7]:8080', true],
    ['[2001:db8::7]:8080', 'http://[2001:db8::7]', false],
    ['', 'https://example.com', false],
    ['com', 'https://example.com', true],
  ])('[CONF-340] NO_PROXY=%s and %s: straight is %s', (exception, url, isStraight) => {
    const chosen = proxyFor(new URL(url), { ...proxies, exceptions: [exception] })
    expect(chosen === undefined).toBe(isStraight)
  })

  test('[CONF-341] is read from the environment in capitals or small letters, without a scheme too', () => {
    const named = configOf({ HTTPS_PROXY: 'http://a.example:1', HTTP_PROXY: 'b.example:2', NO_PROXY: 'x, .y z:1' })
    const read = ({ proxies: { http, https, exceptions } }: Config) => [https?.reveal(), http?.reveal(), exceptions]
    expect(read(named)).toEqual(['http://a.example:1', 'http://b.example:2', ['x', '.y', 'z:1']])
    const small = configOf({ https_proxy: 'http://small:1', HTTPS_PROXY: 'http://LARGE:2', no_proxy: '*' })
    expect(read(small)).toEqual(['http://small:1', undefined, ['*']])
  })

  test.each(['socks5://proxy.example:1080', 'http://proxy.example:1/path', 'http://', 'nonsense with blanks'])(
    '[CONF-341] %s is a problem that says what to do',
    (value) => {
      const read = readConfig({ HTTPS_PROXY: value })
      if (read.kind === 'ok') throw new Error('it was taken')
      expect(read.problems).toEqual([expect.stringMatching(/^HTTPS_PROXY is not valid; set http:\/\/host:port/)])
    },
  )

  test('[CONF-341] does not show the proxy’s password', () => {
    const config = configOf({ HTTPS_PROXY: 'http://ann:secret-word@p.example:1' })
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('secret-word')
  })

  test('[CONF-341] what a target says goes before the environment', async () => {
    const environment = {
      HTTPS_PROXY: 'http://all.example:1',
      NO_PROXY: 'free.example',
      OWN: 'http://u:p@own.example:2',
    }
    const target = (name: string, url: string, more = '') =>
      `  ${name}: { baseUrl: "${url}", model: m, keys: [] ${more === '' ? '' : `, connection: { proxy: ${more} }`} }`
    const policy = await policyIn(
      [
        'version: 1',
        'models: { m: { targets: [{ target: a }, { target: b }, { target: c }, { target: d }, { target: e }] } }',
        'targets:',
        target('a', 'https://a.example/v1'),
        target('b', 'https://b.free.example/v1'),
        target('c', 'https://c.example/v1', 'none'),
        target('d', 'https://d.free.example/v1', '"http://third.example:3"'),
        target('e', 'https://e.example/v1', '{ env: OWN }'),
        '',
      ].join('\n'),
      environment,
    )
    const chosen = [...policy.targets.values()].map(({ connection }) => connection?.proxy?.secret.reveal())
    expect(chosen).toEqual([
      'http://all.example:1',
      undefined,
      undefined,
      'http://third.example:3',
      'http://u:p@own.example:2',
    ])
    const summary = describePolicy(policy).join('\n')
    expect(summary).toContain('e: m at https://e.example/v1 by the proxy http://own.example:2, no key')
    expect(inspect(policy, { depth: 9 }) + summary).not.toContain('u:p@')
  })
})

describe('through the proxy of the environment', () => {
  const authority = makeAuthority()
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

  test('[CONF-345] goes a call to the model that the environment names', async () => {
    await using server = await startProvider(() => undefined)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port } })
    const config = configOf({
      OPENAI_BASE_URL: 'http://model.internal/v1',
      HTTP_PROXY: `http://127.0.0.1:${proxy.port}`,
    })
    const target = policyOfEnvironment(config).targets.get('openai')
    if (target === undefined) throw new Error('no target')
    const provider = connectTarget(target, 5_000, logger)
    expect(await ask(provider)).toEqual({ finishReason: 'stop' })
    expect(proxy.asked).toEqual(['POST http://model.internal/v1/chat/completions'])
    provider.close()
  })

  test('[CONF-345] goes a question to the moderation endpoint', async () => {
    await using server = await startModerationServer((asked) => asked.answer([]))
    const port = Number(new URL(server.url).port)
    await using proxy = await startConnectProxy({ names: { 'moderation.internal': port } })
    const policy = await policyIn(
      'version: 1\nprivacy: { filter: { moderation: { url: "http://moderation.internal/v1/moderations" } } }\n',
      { HTTP_PROXY: `http://127.0.0.1:${proxy.port}` },
    )
    const { moderation } = policy.privacy.everybody.filter
    if (moderation === undefined) throw new Error('no moderation')
    const verdict = await createModerator(moderation).check('peace', new AbortController().signal)
    expect(verdict).toEqual({ kind: 'fine' })
    expect(proxy.asked).toEqual(['POST http://moderation.internal/v1/moderations'])
  })

  test('[CONF-345] goes the request for a key set', async () => {
    const pem = (file: string) => readFileSync(file, 'utf8')
    const before = getCACertificates('default')
    setDefaultCACertificates([...before, pem(authority.caFile)])
    onTestFinished(() => {
      setDefaultCACertificates(before)
      authority[Symbol.dispose]()
    })
    const keys = [jwk(ecPair(), { kid: 'a', alg: 'ES256' })]
    const tls = { cert: pem(authority.certFile), key: pem(authority.keyFile) }
    await using server = await startProvider(() => ({ status: 200, body: { keys } }), tls)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port } })
    const url = 'https://model.internal/jwks.json'
    const config = configOf({
      SLUICE_JWT_JWKS_URL: url,
      SLUICE_JWT_ISSUER: '*',
      SLUICE_JWT_AUDIENCE: '*',
      HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
    })
    const problems: string[] = []
    const options = {
      times: defaultJwksTimes,
      monotonicMs: () => 0,
      report: (problem: string) => problems.push(problem),
    }
    const find = () => jwksSource(url, undefined, options).find({ alg: 'ES256', kid: 'a' })
    expect((await find()).kind).toBe('unavailable')
    const takeBack = proxyKeySets(config)
    expect(await find()).toMatchObject({ kind: 'keys', keys: [expect.anything()] })
    takeBack()
    expect((await find()).kind).toBe('unavailable')
    expect(proxy.asked).toEqual(['CONNECT model.internal:443'])
    expect(problems).toHaveLength(2)
  })
})
