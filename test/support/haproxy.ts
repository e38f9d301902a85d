/** HAProxy in front of one upstream, which it keeps connections to. `npm test` names the program in SLUICE_TEST_HAPROXY. */
import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Balancer, freePort, started } from './balancer.ts'

const haproxy = process.env.SLUICE_TEST_HAPROXY
export const hasHaproxy = haproxy !== undefined && haproxy !== ''

export async function startHaproxy(upstreamPort: number): Promise<Balancer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-haproxy-'))
  const port = await freePort()
  const file = path.join(folder, 'haproxy.cfg')
  writeFileSync(file, configFor(port, upstreamPort))
  const child = spawn(haproxy ?? 'haproxy', ['-db', '-f', file], { stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  child.stdout.on('data', (chunk) => {
    log += String(chunk)
  })
  const stop = await started('haproxy', { child, port, folder })
  return { port, accessLog: () => log, [Symbol.asyncDispose]: stop }
}

function configFor(port: number, upstreamPort: number): string {
  return `
global
  log stdout format raw local0 info
defaults
  mode http
  log global
  timeout connect 5s
  timeout client 10s
  timeout server 10s
  timeout http-request 10s
  http-reuse always
frontend clients
  bind 127.0.0.1:${port}
  log-format "%HM %HU %ST %s"
  default_backend gateway
backend gateway
  server node 127.0.0.1:${upstreamPort}
`
}
