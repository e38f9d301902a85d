/**
 * The configurations that docs/OPERATIONS.md prints: HAProxy and nginx are run in front of gateways. In CI a missing program
 * fails before any test. Envoy and Traefik are in documented-envoy-traefik.test.ts.
 */
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect } from 'node:tls'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { createClient } from '../../client/index.ts'
import { answerFor } from '../../load/model-server/answer.ts'
import { startStation } from '../gateway/http/station.ts'
import { startBehindNginx } from '../nodes/two-behind-nginx.ts'
import { makeAuthority } from '../support/authority.ts'
import { type Balancer, hasNginx } from '../support/balancer.ts'
import { haproxyText, startDocumentedHaproxy, startDocumentedNginx } from '../support/documented-balancers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { hasHaproxy } from '../support/haproxy.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

const authority = makeAuthority()
const ca = readFileSync(authority.caFile)
afterAll(() => authority[Symbol.dispose]())

const patience = { timeout: 15_000, interval: 20 }
/** What the gateway answers to who has no token, and no balancer by itself. */
const served = 401
/** What HAProxy answers itself when it has no node. */
const noNode = 503

/** Lines of the printed configuration that others write in their place. */
const probes: readonly { readonly lines: string; readonly isOldHttp: boolean }[] = [
  { lines: 'option httpchk GET /readyz', isOldHttp: true },
  { lines: 'option httpchk HEAD /readyz', isOldHttp: true },
  { lines: 'option httpchk /readyz', isOldHttp: true },
  { lines: 'option httpchk', isOldHttp: true },
  { lines: 'option httpchk GET /readyz HTTP/1.0', isOldHttp: true },
  { lines: 'option httpchk GET /readyz HTTP/1.1\\r\\nHost:\\ chat.example:443', isOldHttp: false },
  {
    lines: 'option httpchk\n    http-check send meth HEAD uri /readyz ver HTTP/1.1 hdr Host chat.example',
    isOldHttp: false,
  },
  {
    lines: 'option httpchk\n    http-check send meth OPTIONS uri / ver HTTP/1.1 hdr Host chat.example',
    isOldHttp: false,
  },
]
const printedProbe = /option httpchk\n +http-check send .*/

describe.runIf(hasHaproxy).each(testedTransports)('the printed HAProxy configuration, on %s', (transport) => {
  test('[DEPLOY-320] its probes follow the node: ready, not ready, and ready again', async () => {
    let isReady = true
    const deps = { readiness: () => ({ ready: isReady, reasons: [] }) }
    await using station = await startStation({ transport, deps })
    await using balancer = await startDocumentedHaproxy([station.port], { authority })
    const probed = () => station.answered.filter(({ route, status }) => route === '/readyz' && status === 200).length
    await expect.poll(probed, patience).toBeGreaterThan(5)
    expect(await statusOf(balancer)).toBe(served)
    isReady = false
    await expect.poll(() => statusOf(balancer), patience).toBe(noNode)
    isReady = true
    await expect.poll(() => statusOf(balancer), patience).toBe(served)
    expect(await statusOf(balancer, '/v1/admin/node')).toBe(404)
  })

  test.each(probes)('[DEPLOY-321] a node is up with the probe $lines', async ({ lines, isOldHttp }) => {
    await using station = await startStation({ transport })
    const change = (text: string) => text.replace(printedProbe, () => lines)
    expect(change(haproxyText)).toContain(lines)
    await using balancer = await startDocumentedHaproxy([station.port], { authority, change })
    if (isOldHttp && transport === 'uws') {
      await expect.poll(balancer.accessLog, patience).toMatch(/is DOWN, reason: .*code: 505/)
      return
    }
    await expect.poll(() => station.answered.length, patience).toBeGreaterThan(5)
    expect(balancer.accessLog()).not.toContain('DOWN')
    expect(await statusOf(balancer)).toBe(served)
  })

  test('[DEPLOY-322] a page of its origin has its answer streamed', async () => {
    await using gateway = await startTestGateway({ transport, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } })
    await using balancer = await startDocumentedHaproxy([gateway.gateway.port], { authority })
    await streamThrough(balancer, await gateway.token('ada'))
  })
})

describe.runIf(hasHaproxy)('the printed HAProxy configuration in front of two nodes', { timeout: 60_000 }, () => {
  const open: AsyncDisposable[] = []
  afterEach(async () => {
    for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
  })

  test('[DEPLOY-323] a node leaves in mid-answer: its client goes on at the other, and no new one is refused', async () => {
    const start = (ports: readonly number[]) => startDocumentedHaproxy(ports, { authority })
    const env = { SLUICE_TAKE_OVER: 'continue', SLUICE_DRAIN_MS: '500' }
    const nodes = await startBehindNginx(env, { scheme: 'https', start })
    open.push(nodes)
    class Trusting extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { ca })
      }
    }
    // The constructor's parameters are those that a browser's class has.
    const client = createClient({
      url: nodes.url,
      getToken: () => nodes.token('ada'),
      WebSocket: Trusting as unknown as typeof WebSocket,
    })
    open.push({ [Symbol.asyncDispose]: async () => client.close() })
    client.connect()
    const chat = client.newSession()
    const question = 'Tell me.\n[[answer=demo tokens=500 tps=60]]'
    const answer = chat.send(question)
    await expect.poll(() => chat.view.turns.at(-1)?.text.length ?? 0, patience).toBeGreaterThan(100)
    const producing = await nodes.nodeWhere(({ runningTurns }) => runningTurns === 1)
    let isGone = false
    const statuses = statusesWhile(nodes.url, () => !isGone)
    await producing.process.kill('SIGTERM')
    isGone = true
    expect(new Set(await statuses)).toEqual(new Set([served]))
    let text = ''
    for await (const piece of answer) text += piece
    expect(text).toBe(answerFor({ model: 'sluice-demo', messages: [{ role: 'user', content: question }] }).text)
    expect((await answer.result).kind).toBe('completed')
    expect(client.stats.reconnects).toBeGreaterThan(0)
  })
})

describe.runIf(hasNginx).each(testedTransports)('the printed nginx configuration, on %s', (transport) => {
  test('[DEPLOY-322] a page of its origin has its answer streamed, and probes pass', async () => {
    await using gateway = await startTestGateway({ transport, env: { SLUICE_TRUSTED_PROXIES: '127.0.0.1' } })
    await using balancer = await startDocumentedNginx(gateway.gateway.port, { authority })
    expect(await statusOf(balancer, '/readyz')).toBe(200)
    expect(await statusOf(balancer)).toBe(served)
    await streamThrough(balancer, await gateway.token('ada'))
  })

  test('[DEPLOY-324] without HTTP/1.1 in it an upgrade is refused with what is missing', async () => {
    await using gateway = await startTestGateway({ transport })
    const change = (text: string) => text.replace(/ +proxy_http_version 1\.1;\n/, '')
    await using balancer = await startDocumentedNginx(gateway.gateway.port, { authority, change })
    const url = `wss://127.0.0.1:${balancer.port}/v1/socket`
    const client = new WireClient(url, { trustsAnybody: true })
    await expect(client.opened()).rejects.toThrow(transport === 'ws' ? '426' : '505')
  })
})

const printed = [
  { name: 'HAProxy', isThere: hasHaproxy, start: (port: number) => startDocumentedHaproxy([port], { authority }) },
  { name: 'nginx', isThere: hasNginx, start: (port: number) => startDocumentedNginx(port, { authority }) },
]

for (const { name, isThere, start } of printed) {
  describe.runIf(isThere).each(testedTransports)(`the printed ${name} configuration, on %s`, (transport) => {
    test.each([
      'GET /readyz HTTP/1.0\r\n\r\n',
      'HEAD /readyz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
      'GET /readyz HTTP/1.0\r\nHost: chat.example:443\r\n\r\n',
      'GET https://chat.example/readyz HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\n\r\n',
    ])('[DEPLOY-328] what another balancer in front asks is passed on as a node can read it: %j', async (bytes) => {
      await using station = await startStation({ transport })
      await using balancer = await start(station.port)
      // HAProxy passes version and target on as they came; nginx writes its own.
      const isPassedOn = name === 'HAProxy' && transport === 'uws'
      expect(await answerTo(balancer, bytes)).toMatch(isPassedOn ? /^HTTP\/1\.\d 505/ : /^HTTP\/1\.\d 200 OK/)
    })
  })
}

/** The first bytes of the answer to these over TLS. */
function answerTo({ port }: Balancer, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const tls = connect({ host: '127.0.0.1', port, ca })
    tls.once('data', (answer) => {
      tls.destroy()
      resolve(answer.toString('latin1'))
    })
    tls
      .once('error', reject)
      .once('close', () => resolve('closed'))
      .write(bytes)
  })
}

/** As a browser's page does it: with the origin that the balancer serves, over TLS. */
async function streamThrough(balancer: Balancer, token: string): Promise<void> {
  const origin = `https://127.0.0.1:${balancer.port}`
  const url = `wss://127.0.0.1:${balancer.port}/v1/socket`
  const client = new WireClient(url, { headers: { origin }, trustsAnybody: true })
  await client.opened()
  client.send({ type: 'hello', token })
  await client.next('welcome')
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  // So long that what came of it cannot have waited for its end.
  const content = 'Go on.\n[[tokens=100000 tps=100]]'
  const { turn } = await client.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
  for (let count = 0; count < 5; count += 1) await client.next('turn.delta')
  await client.ask({ type: 'turn.cancel', session, turn }, 'turn.cancelling')
  await client.next('turn.cancelled')
  client.socket.terminate()
}

function statusOf({ port }: { readonly port: number }, path = '/v1/sessions'): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, ca, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    asked.on('error', reject).end()
  })
}

async function statusesWhile(url: string, goesOn: () => boolean): Promise<readonly (number | undefined)[]> {
  const statuses: (number | undefined)[] = []
  const port = Number(new URL(url).port)
  do statuses.push(await statusOf({ port }))
  while (goesOn())
  return statuses
}
