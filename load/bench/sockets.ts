/**
 * `npm run bench -- sockets`: what sockets cost that do nothing, that come, and that come back.
 *
 * Idle: resident memory of the gateway with many authenticated sockets, each with an open session, less that without
 * them, both after its garbage was collected; and what the kernel holds for both ends meanwhile. New: the gateway's CPU
 * for handshake, token and a new session. Resume: the same for a session and a place that it knows. Storm: all sockets
 * drop at once in the middle of their answers and dial again at once, every answer is then compared with its end's hash.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { BenchSession } from './bench-socket.ts'
import { median, percentile, spread } from './figures.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { collectGarbage, inspectable, kernelBytes } from './process-memory.ts'
import { cpuTime, listeningLine, residentBytes, startNode } from './processes.ts'
import { signingEnv, signTokens } from './tokens.ts'

export interface SocketsOptions {
  readonly socketCount: number
  readonly stormCount: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

export interface SocketsFigures {
  readonly transport: 'ws' | 'uws'
  readonly socketCount: number
  readonly idleBytes: number
  readonly kernelBytes: number
  readonly newUs: number
  readonly newPerSecond: number
  /** By round, as many in each as sockets. */
  readonly resumeUs: readonly number[]
  readonly resumePerSecond: number
  readonly storm: StormFigures
}

interface StormFigures {
  readonly socketCount: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly mostMs: number
  readonly rightCount: number
  readonly faultCount: number
  /** The gateway's CPU over the time until all were back. */
  readonly cpuMs: number
}

/** Dials under way at once, but in the storm. */
const dialsAtOnce = 64
/** Sockets that come and go before anything is measured: what they load stays. */
const warmUpCount = 2_000
const warmUpRounds = 3
const resumeRounds = 3

export async function benchSockets(options: SocketsOptions): Promise<SocketsFigures> {
  const { socketCount, transport, say } = options
  const { args, port } = await inspectable()
  const provider = await startNode([join(import.meta.dirname, '..', 'model-server', 'main.ts')], {}, listeningLine)
  const gateway = await startGatewayProcess(
    provider.url,
    { SLUICE_TRANSPORT: transport, SLUICE_MEMORY_MAX_SESSIONS: '1000000', ...signingEnv },
    args,
  )
  try {
    const warm = await sessions(gateway, warmUpCount, 'warm')
    await comeAndGo(warm, gateway)
    const idle = await idleFigures(gateway, port, socketCount)
    say(`${transport}: ${socketCount} idle sockets, ${(idle.idleBytes / 1024).toFixed(1)} KiB each`)
    // That collected the compiled code too.
    for (let round = 0; round < warmUpRounds; round++) await comeAndGo(warm, gateway)
    const fresh = await sessions(gateway, socketCount, 'fresh')
    const made = await timed(gateway, fresh)
    await dropAll(fresh, gateway)
    const resumed: Timed[] = []
    for (let round = 0; round < resumeRounds; round++) {
      resumed.push(await timed(gateway, fresh))
      await dropAll(fresh, gateway)
    }
    const resumeUs = resumed.map(({ us }) => us)
    say(`${transport}: new ${made.us.toFixed(0)} µs, resumed ${spread(resumeUs, 0)} µs each`)
    const storm = await stormFigures(gateway, options)
    return {
      transport,
      socketCount,
      ...idle,
      newUs: made.us,
      newPerSecond: made.perSecond,
      resumeUs,
      resumePerSecond: median(resumed.map(({ perSecond }) => perSecond)),
      storm,
    }
  } finally {
    await gateway.stop()
    await provider.stop()
  }
}

export function socketsReport(figures: SocketsFigures): string {
  const { transport, socketCount, idleBytes, kernelBytes: kernel, storm } = figures
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
  const cost = (us: readonly number[], perSecond: number) =>
    `${us.length > 1 ? spread(us, 0) : us[0]?.toFixed(0)} µs of CPU, ${perSecond.toFixed(0)} a second`
  const back = `p50 ${storm.p50Ms.toFixed(0)} ms, p99 ${storm.p99Ms.toFixed(0)} ms, most ${storm.mostMs.toFixed(0)} ms`
  return [
    `${transport}: ${socketCount} idle sockets: ${kib(idleBytes)} each, and ${kib(kernel)} of the kernel's for both ends`,
    `${transport}: new, with token and session: ${cost([figures.newUs], figures.newPerSecond)}`,
    `${transport}: resumed: ${cost(figures.resumeUs, figures.resumePerSecond)}`,
    `${transport}: ${storm.socketCount} dropped in mid-answer at once: back after ${back}, ${storm.cpuMs} ms of CPU; ${storm.rightCount} of ${storm.socketCount} answers right, ${storm.faultCount} faults`,
  ].join('\n')
}

async function idleFigures(gateway: GatewayProcess, port: number, socketCount: number) {
  const open = await sessions(gateway, socketCount, 'idle')
  await collectGarbage(port)
  const before = { own: await residentBytes(gateway.pid), kernel: await kernelBytes() }
  await dialAll(open)
  await collectGarbage(port)
  const after = { own: await residentBytes(gateway.pid), kernel: await kernelBytes() }
  await dropAll(open, gateway)
  return {
    idleBytes: (after.own - before.own) / socketCount,
    kernelBytes: (after.kernel - before.kernel) / socketCount,
  }
}

async function comeAndGo(open: readonly BenchSession[], gateway: GatewayProcess): Promise<void> {
  await dialAll(open)
  await dropAll(open, gateway)
}

interface Timed {
  readonly us: number
  readonly perSecond: number
}

/** Dials all, a bounded number at once, and tells the gateway's CPU for each. */
async function timed(gateway: GatewayProcess, open: readonly BenchSession[]): Promise<Timed> {
  const before = await cpuTime(gateway.pid)
  const startedMs = performance.now()
  await dialAll(open)
  const after = await cpuTime(gateway.pid)
  const cpuMs = after.userMs + after.systemMs - before.userMs - before.systemMs
  return {
    us: (cpuMs * 1_000) / open.length,
    perSecond: (open.length * 1_000) / (performance.now() - startedMs),
  }
}

async function sessions(gateway: GatewayProcess, count: number, name: string): Promise<BenchSession[]> {
  const tokens = await signTokens(count, (n) => `${name}-${n}`)
  return tokens.map((token) => new BenchSession(gateway.socketUrl, token))
}

async function dialAll(open: readonly BenchSession[]): Promise<void> {
  let next = 0
  const dialer = async () => {
    for (let session = open[next++]; session !== undefined; session = open[next++]) await session.dial()
  }
  await Promise.all(Array.from({ length: dialsAtOnce }, dialer))
}

/** Resolves when the gateway, too, knows of no socket: until then its CPU is of their end. */
async function dropAll(open: readonly BenchSession[], gateway: GatewayProcess): Promise<void> {
  for (const session of open) session.drop()
  let last = -1
  for (let looks = 0; looks < settleLooks; looks++) {
    const { userMs, systemMs } = await cpuTime(gateway.pid)
    if (userMs + systemMs === last) return
    last = userMs + systemMs
    await new Promise((resolve) => setTimeout(resolve, settleLookMs))
  }
}

/** How often, and how many times, it is looked whether the gateway has come to rest. */
const settleLookMs = 200
const settleLooks = 50

async function stormFigures(gateway: GatewayProcess, { stormCount, say, transport }: SocketsOptions) {
  const open = await sessions(gateway, stormCount, 'storm')
  await dialAll(open)
  // Who is refused waits for nothing more; that it was is a fault.
  const ends = open.map((session) => session.next(({ type }) => endTypes.has(type)))
  const begun = open.map((session) => session.next(({ type }) => type === 'turn.delta' || endTypes.has(type)))
  for (const [n, session] of open.entries())
    session.send({
      type: 'message.send',
      id: 'm',
      messageId: 'm1',
      content: `storm ${n}\n[[tokens=${stormTokens} tps=${stormTps}]]`,
    })
  await Promise.all(begun)
  say(`${transport}: ${stormCount} answers are under way, all sockets drop`)
  const before = await cpuTime(gateway.pid)
  for (const session of open) session.drop()
  const dialedMs = performance.now()
  const backMs: number[] = []
  await Promise.all(
    open.map(async (session) => {
      await dialUntilOpen(session)
      backMs.push(performance.now() - dialedMs)
    }),
  )
  const after = await cpuTime(gateway.pid)
  await Promise.all(ends)
  const right = open.filter(isRight)
  await dropAll(open, gateway)
  return {
    socketCount: stormCount,
    p50Ms: percentile(backMs, 0.5),
    p99Ms: percentile(backMs, 0.99),
    mostMs: percentile(backMs, 1),
    rightCount: right.length,
    faultCount: open.reduce((sum, { faults }) => sum + faults.length, 0),
    cpuMs: after.userMs + after.systemMs - before.userMs - before.systemMs,
  }
}

const endTypes = new Set(['turn.completed', 'turn.failed', 'turn.cancelled', 'error'])

/** A token each five seconds: the answers themselves must cost little. */
const stormTokens = 8
const stormTps = 0.2
const dialTries = 20

async function dialUntilOpen(session: BenchSession): Promise<void> {
  for (let tries = 0; tries < dialTries; tries++) {
    try {
      return await session.dial()
    } catch {
      // The listener's queue was full: at once again.
    }
  }
  session.faults.push('the socket did not come back')
}

function isRight({ text, terminal, faults }: BenchSession): boolean {
  if (terminal === undefined || faults.length > 0) return false
  return text.length === terminal.bytes && createHash('sha256').update(text).digest('hex') === terminal.sha256
}
