/**
 * The nginx of deploy/nginx.conf in front of upstreams of a test's own: the same file with other addresses, and with a
 * folder of its own in place of /tmp and the standard output, which nginx cannot open where Node made it. `npm test` names the program in SLUICE_TEST_NGINX.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const nginx = process.env.SLUICE_TEST_NGINX
export const hasNginx = nginx !== undefined && nginx !== ''

export const balancerConfig = path.resolve(import.meta.dirname, '..', '..', 'deploy', 'nginx.conf')

const START_TIMEOUT_MS = 10_000
const STOP_TIMEOUT_MS = 5_000
const LOOK_AGAIN_MS = 20

export interface Balancer extends AsyncDisposable {
  readonly port: number
  /** A line for each request that was answered. */
  readonly accessLog: () => string
}

/** Starts nginx on a free port in front of these ports of this machine. */
export async function startBalancer(upstreamPorts: readonly number[]): Promise<Balancer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-nginx-'))
  // Workers of an nginx that root started are somebody else.
  chmodSync(folder, 0o755)
  const port = await freePort()
  const file = path.join(folder, 'nginx.conf')
  writeFileSync(file, configFor(readFileSync(balancerConfig, 'utf8'), port, upstreamPorts, folder))
  const child = spawn(nginx ?? 'nginx', ['-c', file, '-e', 'stderr', '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const stop = await started('nginx', { child, port, folder })
  const accessLog = () => readFileSync(path.join(folder, 'access.log'), 'utf8')
  return { port, accessLog, [Symbol.asyncDispose]: stop }
}

/** Waits until a proxy listens, or throws what it said; answers how it is stopped and its folder removed. */
export async function started(
  name: string,
  { child, port, folder }: { readonly child: ChildProcess; readonly port: number; readonly folder: string },
): Promise<() => Promise<void>> {
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk)
  })
  const stop = async () => {
    await stopped(child)
    rmSync(folder, { recursive: true, force: true })
  }
  if (await listens(child, port)) return stop
  await stop()
  throw new Error(`${name} did not start: ${errors}`)
}

/** The file's text with other addresses, and everything that it writes in `folder`. */
export function configFor(text: string, port: number, upstreamPorts: readonly number[], folder: string): string {
  const servers = /^( *)server \d\S*(.*;)\n(?: *server \d.*\n)*/m
  return text
    .replace(servers, (_all, indent: string, options: string) =>
      upstreamPorts.map((upstream) => `${indent}server 127.0.0.1:${upstream}${options}\n`).join(''),
    )
    .replace(/listen \d+;/, `listen 127.0.0.1:${port};`)
    .replaceAll('/tmp/', `${folder}/`)
    .replace('/dev/stdout', `${folder}/access.log`)
}

/** Nobody's at this moment; nginx cannot say which one it took. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

async function listens(child: ChildProcess, port: number): Promise<boolean> {
  const deadlineMs = Date.now() + START_TIMEOUT_MS
  while (child.exitCode === null && Date.now() < deadlineMs) {
    if (await accepts(port)) return true
    await sleep(LOOK_AGAIN_MS)
  }
  return false
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await ended
  clearTimeout(timer)
}
