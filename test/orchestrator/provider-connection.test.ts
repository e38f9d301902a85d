/** The way to a provider: proxies, authorities and certificates, over real sockets and real TLS. */
import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { createOpenAiProvider, type OpenAiOptions } from '../../orchestrator/providers/openai.ts'
import { makeAuthority } from '../support/authority.ts'
import { startConnectProxy } from '../support/connect-proxy.ts'
import { ask, startProvider } from './provider-server.ts'

const authority = makeAuthority()
const stranger = makeAuthority()
afterAll(() => {
  authority[Symbol.dispose]()
  stranger[Symbol.dispose]()
})

const pem = (file: string) => readFileSync(file, 'utf8')
const tls = { cert: pem(authority.certFile), key: pem(authority.keyFile) }
const ca = pem(authority.caFile)
const secret = (value: string) => ({ reveal: () => value })
const stopped = { finishReason: 'stop' }

function providerAt(baseUrl: string, connection: NonNullable<OpenAiOptions['connection']>) {
  const logs: object[] = []
  const log = (fields: object, message: string) => void logs.push({ ...fields, message })
  const logger = { info: log, warn: log, error: log }
  return { logs, provider: createOpenAiProvider({ baseUrl, headersMs: 5_000, connection }, logger) }
}

describe('a proxy', () => {
  it('[PROVIDER-350] carries calls to an https endpoint whose name only it can resolve, in one tunnel', async () => {
    await using server = await startProvider(() => undefined, tls)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port } })
    const url = secret(`http://127.0.0.1:${proxy.port}`)
    const { provider } = providerAt('https://model.internal/v1', { ca, proxy: url })
    expect(await ask(provider)).toEqual(stopped)
    expect(proxy.asked).toEqual(['CONNECT model.internal:443'])
    expect(server.seen).toMatchObject([{ path: '/v1/chat/completions', headers: { host: 'model.internal' } }])
    provider.close()
  })

  it('[PROVIDER-350] carries calls to an http endpoint, whose whole address it is given', async () => {
    await using server = await startProvider(() => undefined)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port } })
    const url = secret(`http://127.0.0.1:${proxy.port}`)
    const { provider } = providerAt('http://model.internal:8000/v1?a=b', { proxy: url })
    expect(await ask(provider)).toEqual(stopped)
    expect(proxy.asked).toEqual(['POST http://model.internal:8000/v1/chat/completions?a=b'])
    provider.close()
  })

  it('[PROVIDER-351] is given the user and password of its URL, which are in no log line when it refuses them', async () => {
    await using server = await startProvider(() => undefined, tls)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port }, credentials: 'ann:p@ss' })
    const way = (password: string) => ({ ca, proxy: secret(`http://ann:${password}@127.0.0.1:${proxy.port}`) })
    const good = providerAt('https://model.internal/v1', way('p%40ss'))
    expect(await ask(good.provider)).toEqual(stopped)
    const bad = providerAt('https://model.internal/v1', way('wrong-word'))
    expect(await ask(bad.provider)).toMatchObject({ refusal: { kind: 'provider' }, isIllness: true })
    expect(bad.logs).toMatchObject([{ message: 'provider call failed', code: 'ERR_PROXY_TUNNEL' }])
    expect(JSON.stringify(bad.logs)).not.toContain('wrong-word')
    good.provider.close()
    bad.provider.close()
  })

  it('[PROVIDER-351] whose URL changed in its file is used from the next call on', async () => {
    await using server = await startProvider(() => undefined)
    await using first = await startConnectProxy({ names: { 'model.internal': server.port } })
    await using second = await startConnectProxy({ names: { 'model.internal': server.port } })
    let port = first.port
    const { provider } = providerAt('http://model.internal/v1', { proxy: { reveal: () => `http://127.0.0.1:${port}` } })
    expect(await ask(provider)).toEqual(stopped)
    port = second.port
    expect(await ask(provider)).toEqual(stopped)
    expect([first.asked.length, second.asked.length]).toEqual([1, 1])
    provider.close()
  })

  it('[PROVIDER-351] that is not there fails the call as an endpoint that cannot be reached', async () => {
    const { provider, logs } = providerAt('https://model.internal/v1', { proxy: secret('http://ann:word@127.0.0.1:9') })
    expect(await ask(provider)).toMatchObject({ refusal: { message: 'the model could not be reached' } })
    expect(JSON.stringify(logs)).not.toContain('word')
    provider.close()
  })
})

describe('certificates', () => {
  it('[PROVIDER-352] an endpoint is believed when the configured authority signed it, and only then', async () => {
    await using server = await startProvider(() => undefined, tls)
    const known = providerAt(server.url, { ca })
    expect(await ask(known.provider)).toEqual(stopped)
    const other = providerAt(server.url, { ca: pem(stranger.caFile) })
    expect(await ask(other.provider)).toMatchObject({ refusal: { message: 'the model could not be reached' } })
    const none = providerAt(server.url, {})
    expect(await ask(none.provider)).toMatchObject({ isIllness: true })
    expect(server.seen).toHaveLength(1)
    for (const { provider } of [known, other, none]) provider.close()
  })

  it('[PROVIDER-352] an endpoint that asks for a certificate gets the configured one, also through a proxy', async () => {
    const asking = { ...tls, ca, requestCert: true, rejectUnauthorized: true }
    await using server = await startProvider(() => undefined, asking)
    await using proxy = await startConnectProxy({ names: { 'model.internal': server.port } })
    const clientCertificate = { certificate: pem(authority.certFile), key: secret(pem(authority.keyFile)) }
    const straight = providerAt(server.url, { ca, clientCertificate })
    expect(await ask(straight.provider)).toEqual(stopped)
    const tunnel = { ca, clientCertificate, proxy: secret(`http://127.0.0.1:${proxy.port}`) }
    const proxied = providerAt('https://model.internal/v1', tunnel)
    expect(await ask(proxied.provider)).toEqual(stopped)
    const without = providerAt(server.url, { ca })
    expect(await ask(without.provider)).toMatchObject({ isIllness: true })
    expect(server.seen).toHaveLength(2)
    for (const { provider } of [straight, proxied, without]) provider.close()
  })
})
