/** The health routes, asked as balancers, orchestrators and monitors ask. */
import { describe, expect, test } from 'vitest'
import { testedTransports } from '../../support/transports.ts'
import { RawClient } from '../transport/clients.ts'
import { type Station, startStation } from './station.ts'

interface Probe {
  readonly by: string
  readonly bytes: string
  /** Only in HTTP/1.0, or for a target that uWebSockets.js does not read: it answers 505. */
  readonly isOld?: boolean
  readonly path?: '/healthz'
}

const probes: readonly Probe[] = [
  { by: 'HAProxy, option httpchk GET /readyz', bytes: 'GET /readyz HTTP/1.0\r\n\r\n', isOld: true },
  { by: 'HAProxy, option httpchk /readyz', bytes: 'OPTIONS /readyz HTTP/1.0\r\n\r\n', isOld: true },
  { by: 'HAProxy, option httpchk', bytes: 'OPTIONS / HTTP/1.0\r\n\r\n', isOld: true },
  {
    by: 'HAProxy, option httpchk HEAD /healthz',
    bytes: 'HEAD /healthz HTTP/1.0\r\n\r\n',
    isOld: true,
    path: '/healthz',
  },
  {
    by: 'HAProxy, http-check send ver HTTP/1.1 hdr Host sluice',
    bytes: 'OPTIONS /readyz HTTP/1.1\r\nhost: sluice\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
  },
  { by: 'OPTIONS of the server', bytes: 'OPTIONS * HTTP/1.1\r\nHost: sluice\r\n\r\n', isOld: true },
  { by: 'OPTIONS of the page', bytes: 'OPTIONS / HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n\r\n' },
  {
    by: 'keepalived',
    bytes: 'GET /readyz HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 10.0.0.11:8080\r\n\r\n',
    isOld: true,
  },
  {
    by: 'an AWS balancer',
    bytes:
      'GET /readyz HTTP/1.1\r\nHost: 10.0.0.11:8080\r\nConnection: close\r\nUser-Agent: ELB-HealthChecker/2.0\r\nAccept-Encoding: gzip, compressed\r\n\r\n',
  },
  {
    by: 'a Google balancer',
    bytes: 'GET /readyz HTTP/1.1\r\nHost: 10.0.0.11\r\nUser-Agent: GoogleHC/1.0\r\nConnection: close\r\n\r\n',
  },
  {
    by: 'Kubernetes',
    bytes:
      'GET /readyz HTTP/1.1\r\nHost: 10.0.0.11:8080\r\nUser-Agent: kube-probe/1.34\r\nAccept: */*\r\nConnection: close\r\n\r\n',
  },
  {
    by: 'Envoy',
    bytes: 'GET /readyz HTTP/1.1\r\nhost: sluice\r\nuser-agent: Envoy/HC\r\nconnection: close\r\n\r\n',
  },
  { by: 'a client that knows no host', bytes: 'GET /readyz HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n' },
  {
    by: 'a proxy that names the host in the target',
    bytes: 'GET http://sluice/readyz HTTP/1.1\r\nHost: sluice\r\nConnection: close\r\n\r\n',
    isOld: true,
  },
  { by: 'somebody with a query', bytes: 'HEAD /readyz?verbose HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' },
]

describe.each(testedTransports)('probes on %s', (transport) => {
  test.each(probes)('[HTTP-324] $by is told whether the node is ready', async ({ bytes, isOld, path }) => {
    const deps = { readiness: () => ({ ready: isReady, reasons: isReady ? [] : ['the store does not answer'] }) }
    let isReady = true
    await using station = await startStation({ transport, deps })
    const isServed = transport === 'ws' || isOld !== true
    expect(await statusOf(station, bytes)).toBe(isServed ? 200 : 505)
    isReady = false
    expect(await statusOf(station, bytes)).toBe(isServed ? (path === undefined ? 503 : 200) : 505)
  })

  test('[HTTP-324] probes are logged for who looks for them, and cost no stranger anything', async () => {
    const env = { SLUICE_STRANGER_REQUESTS_PER_ADDRESS: '1' }
    await using station = await startStation({ transport, env })
    for (let count = 0; count < 50; count += 1) {
      expect(await statusOf(station, 'OPTIONS /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toBe(200)
    }
    expect(station.answered.every(({ route }) => route === '/readyz')).toBe(true)
  })
})

async function statusOf({ port }: Station, bytes: string): Promise<number> {
  const raw = new RawClient(port, bytes)
  await raw.seen('\r\n\r\n')
  raw.tcp.destroy()
  return Number(/^HTTP\/1\.1 (\d+) /.exec(raw.received)?.[1])
}
