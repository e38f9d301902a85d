/**
 * Requests that a proxy and the gateway could read differently, through a real nginx (deploy/nginx.conf) and a real HAProxy
 * that keep their connections to the gateway: it serves what the proxy forwarded, and nothing that was hidden in it.
 */
import { describe, expect, test } from 'vitest'
import { chooseTransport } from '../../gateway/transport/choose-transport.ts'
import { RawClient } from '../gateway/transport/clients.ts'
import { malformedRequests } from '../gateway/transport/malformed-requests.ts'
import { type Station, startStation } from '../gateway/transport/station.ts'
import { type Balancer, hasNginx, startBalancer } from '../support/balancer.ts'
import { hasHaproxy, startHaproxy } from '../support/haproxy.ts'
import { testedTransports } from '../support/transports.ts'

const proxies = [
  { name: 'nginx', isThere: hasNginx, start: (port: number) => startBalancer([port]) },
  { name: 'HAProxy', isThere: hasHaproxy, start: startHaproxy },
]

for (const proxy of proxies) {
  describe.runIf(proxy.isThere).each(testedTransports)(`${proxy.name} in front of %s`, (transport) => {
    test('[DEPLOY-100] serves what was forwarded, and nothing that was hidden in it', {
      timeout: 120_000,
    }, async () => {
      const served: string[] = []
      await using station = await startRecording(transport, served)
      await using balancer = await proxy.start(station.port)
      for (const [index, { bytes }] of malformedRequests.entries()) {
        const raw = new RawClient(balancer.port, numbered(bytes, index))
        await answered(balancer, index)
        raw.tcp.end()
        await raw.ended.next('close', (how) => how === 'close')
      }
      await answered(balancer, malformedRequests.length)
      const log = balancer.accessLog()
      for (const path of new Set(served)) {
        const count = served.filter((other) => other === path).length
        expect(`${path}: ${count}`).toBe(`${path}: ${linesOf(log, path).length}`)
      }
      // A body that is right went through: the test is one of what may pass, too.
      const right = malformedRequests.findIndex(({ name }) => name === 'a body that is right')
      expect(served).toContain(`/first-${right}`)
    })
  })
}

async function startRecording(transport: 'ws' | 'uws', served: string[]): Promise<Station> {
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined }
  const create = await chooseTransport(transport, process.env.SLUICE_UWS_PATH, silent)
  const differences = {
    oversize: 0,
    invalidUtf8: 0,
    unansweredClose: 0,
    headAhead: false,
    countsPieces: transport === 'ws',
    oldHttp: transport === 'ws',
  }
  return startStation(
    { name: transport, create, differences },
    {
      fetch: async (request) => {
        const { pathname } = new URL(request.url)
        if (!pathname.startsWith('/ping')) served.push(pathname)
        await request.text().catch(() => undefined)
        return new Response('answer')
      },
    },
  )
}

/** Each request has paths of its own, so that the proxy's log tells them apart. */
function numbered(bytes: string, index: number): string {
  return bytes.replaceAll('/first', `/first-${index}`).replaceAll('/hidden', `/hidden-${index}`)
}

/** Another request went through the proxy: what came before it is there, or on its way. */
async function answered(balancer: Balancer, index: number): Promise<void> {
  for (const round of ['a', 'b', 'c']) {
    await (await fetch(`http://127.0.0.1:${balancer.port}/ping-${index}${round}`)).text()
  }
}

/** Lines of the proxy's log about this path which say where it was forwarded to. */
function linesOf(log: string, path: string): readonly string[] {
  return log.split('\n').filter((line) => line.split(' ').includes(path) && !/ <NOSRV>$| - - \S+$/.test(line))
}
