/**
 * Builds the Dockerfile and runs the image for real, on a machine without a container engine: buildah in a chroot, on a
 * stand-in for the base image that mmdebstrap makes of the same Debian release, with the project's Node and this
 * machine's npm where the real one has them. It is tagged like the real one, so the Dockerfile is used as it is.
 *
 * Checked: the image's own command answers /healthz, its own health check agrees, its process is not root's, and it
 * ends by itself on SIGTERM. Needs root on Debian or Ubuntu; takes minutes, so it is no part of the tests.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const root = path.resolve(import.meta.dirname, '..')
const cache = path.join(root, '.cache', 'image')
const base = 'docker.io/library/node:24-trixie-slim'
const image = 'localhost/sluice:check'
const certificates = '/etc/ssl/certs/ca-certificates.crt'

const STEP_TIMEOUT_MS = 10 * 60_000
const HEALTH_DEADLINE_MS = 30_000
const HEALTH_INTERVAL_MS = 200
const STOP_DEADLINE_MS = 30_000

const buildahOptions = [
  '--root',
  path.join(cache, 'storage'),
  '--runroot',
  path.join(cache, 'run'),
  '--storage-driver',
  'vfs',
]

function must(command: string, args: readonly string[]): string {
  const options = { cwd: root, encoding: 'utf8', timeout: STEP_TIMEOUT_MS, maxBuffer: 2 ** 26 } as const
  const { status, stdout, stderr, error } = spawnSync(command, args, options)
  if (status !== 0) {
    throw new Error(`${stdout ?? ''}${stderr ?? ''}\n${command} ${args[0] ?? ''} failed: ${error?.message ?? status}`)
  }
  return stdout.trim()
}

const buildah = (...args: readonly string[]) => must('buildah', [...buildahOptions, ...args])

function step<T>(name: string, act: () => T): T {
  const startedMs = Date.now()
  const result = act()
  console.log(`ok ${name}, ${((Date.now() - startedMs) / 1000).toFixed(1)} s`)
  return result
}

function requireTools(): void {
  const missing = ['buildah', 'mmdebstrap'].filter((name) => spawnSync(name, ['--version']).error !== undefined)
  if (process.getuid?.() !== 0) throw new Error('unable to check the image: run it as root: sudo npm run image:check')
  if (missing.length > 0) {
    throw new Error(`unable to check the image: run: apt-get install -y --no-install-recommends ${missing.join(' ')}`)
  }
}

/** The machine's own Debian mirror: no address stands in this project. */
function findMirror(): string {
  // The bootstrap is CommonJS, since it runs on older Nodes than this file; its export is a function of a string.
  const uws = createRequire(import.meta.url)('./bootstrap/uws.cjs') as { findDebianMirror(): string | undefined }
  const mirror = uws.findDebianMirror()
  if (mirror === undefined) throw new Error('unable to check the image: no Debian mirror in /etc/apt')
  return mirror
}

function npmFolder(): string {
  const cli = process.env.npm_execpath ?? must('sh', ['-c', 'command -v npm'])
  return path.resolve(realpathSync(cli), '..', '..')
}

/** A root file system like the base image's: Debian, `node` and `npm` under /usr/local. */
function makeBase(): void {
  const tree = path.join(cache, 'base')
  rmSync(tree, { recursive: true, force: true })
  mkdirSync(cache, { recursive: true })
  const options = ['--variant=minbase', '--include=libstdc++6', '--mode=root', '--format=directory', '--quiet']
  must('mmdebstrap', [...options, 'trixie', tree, findMirror()])
  cpSync(realpathSync(path.join(root, 'node_modules/node/bin/node')), path.join(tree, 'usr/local/bin/node'))
  cpSync(npmFolder(), path.join(tree, 'usr/local/lib/node_modules/npm'), { recursive: true })
  must('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', path.join(tree, 'usr/local/bin/npm')])
  mkdirSync(path.join(tree, path.dirname(certificates)), { recursive: true })
  if (existsSync(certificates)) cpSync(realpathSync(certificates), path.join(tree, certificates))
  const container = buildah('from', 'scratch')
  buildah('add', '--quiet', container, tree, '/')
  buildah('config', '--env', `NODE_EXTRA_CA_CERTS=${certificates}`, container)
  buildah('commit', '--quiet', '--rm', '--format', 'docker', container, base)
  rmSync(tree, { recursive: true, force: true })
}

function build(): void {
  const settings = path.join(process.env.HOME ?? '/root', '.npmrc')
  // What this machine's npm needs to reach its registry; the files are seen while building and stay out of the image.
  const volumes = existsSync(settings) ? ['--volume', `${settings}:/root/.npmrc:ro`] : []
  buildah(
    'build',
    '--isolation',
    'chroot',
    '--pull=never',
    '--layers=false',
    '--format',
    'docker',
    ...volumes,
    '-t',
    image,
    '.',
  )
}

interface ImageSettings {
  readonly User?: string
  readonly Cmd?: readonly string[]
  readonly Healthcheck?: { readonly Test?: readonly string[] }
}

function readSettings(): ImageSettings {
  // buildah's own output, in the format of Docker images.
  const { Docker } = JSON.parse(buildah('inspect', '--type', 'image', image)) as { Docker: { config: ImageSettings } }
  return Docker.config
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('unable to find a free port')
  return address.port
}

const environmentOf = (port: number, metricsPort: number) => [
  `PORT=${port}`,
  `SLUICE_METRICS_PORT=${metricsPort}`,
  'SLUICE_JWT_SECRET=only-for-the-image-check-0123456789',
  'SLUICE_JWT_ISSUER=*',
  'SLUICE_JWT_AUDIENCE=*',
  'OPENAI_BASE_URL=http://127.0.0.1:9/v1',
  'OPENAI_API_KEY=none',
  'SLUICE_MODEL=none',
]

const readProcess = (pid: string, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    // It ended while being looked at.
    return ''
  }
}

/** The container's process as the machine sees it, told by the port that only it was given. */
function findPid(port: number): string | undefined {
  const ours = (pid: string) => {
    const [program = '', script] = readProcess(pid, 'cmdline').split('\0')
    const isGateway = path.basename(program) === 'node' && script === 'cli/main.ts'
    return isGateway && readProcess(pid, 'environ').split('\0').includes(`PORT=${port}`)
  }
  return readdirSync('/proc').find((name) => /^\d+$/.test(name) && ours(name))
}

function findProcess(port: number): { pid: number; uid: number } {
  const pid = findPid(port)
  const uid = /^Uid:\s+(\d+)/m.exec(pid === undefined ? '' : readProcess(pid, 'status'))?.[1]
  if (pid === undefined || uid === undefined) throw new Error("unable to find the container's process")
  return { pid: Number(pid), uid: Number(uid) }
}

async function waitForHealth(port: number, child: ChildProcess): Promise<void> {
  const deadlineMs = Date.now() + HEALTH_DEADLINE_MS
  while (Date.now() < deadlineMs && child.exitCode === null) {
    const status = await fetch(`http://127.0.0.1:${port}/healthz`).then(
      (response) => response.status,
      () => undefined,
    )
    if (status === 200) return
    await delay(HEALTH_INTERVAL_MS)
  }
  throw new Error(`/healthz did not answer 200 within ${HEALTH_DEADLINE_MS} ms`)
}

async function runImage(): Promise<void> {
  const { Cmd, User, Healthcheck } = readSettings()
  const [kind, ...healthCommand] = Healthcheck?.Test ?? []
  if (Cmd === undefined || kind !== 'CMD') throw new Error('the image has no command or no health check')
  if (User === undefined || /^(0|root)?(:|$)/.test(User)) throw new Error(`the image runs as ${User || 'root'}`)
  const port = await freePort()
  const container = buildah('from', '--pull=never', image)
  const runArgs = [
    'run',
    '--isolation',
    'chroot',
    ...environmentOf(port, await freePort()).flatMap((line) => ['--env', line]),
  ]
  const child = spawn('buildah', [...buildahOptions, ...runArgs, container, '--', ...Cmd], { stdio: 'inherit' })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  try {
    await waitForHealth(port, child)
    const { pid, uid } = findProcess(port)
    if (uid === 0) throw new Error('the gateway in the container runs as root')
    buildah(...runArgs, container, '--', ...healthCommand)
    process.kill(pid, 'SIGTERM')
    const code = await Promise.race([exited, delay(STOP_DEADLINE_MS, 'late' as const, { ref: false })])
    if (code !== 0) throw new Error(`after SIGTERM the container's process ended with ${code}`)
    console.log(`ok /healthz answered, its own health check agreed, it ran as user ${uid} and ended on SIGTERM`)
  } finally {
    // buildah does not take its process along when it is killed.
    const left = findPid(port)
    if (left !== undefined) process.kill(Number(left), 'SIGKILL')
    child.kill('SIGKILL')
    await exited
    buildah('rm', container)
  }
}

try {
  requireTools()
  step('a base like node:24-trixie-slim', makeBase)
  step('the image is built', build)
  await runImage()
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(cache, { recursive: true, force: true })
}
