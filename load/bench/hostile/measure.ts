import { startModelServer } from '../../model-server/server.ts'
import { type GatewayProcess, startCheckout } from '../gateway-process.ts'
import { measureCpu } from '../machine.ts'
import { collectGarbage, inspectable } from '../process-memory.ts'
import { cpuTime, residentBytes } from '../processes.ts'
import { signingEnv, signTokens } from '../tokens.ts'
import { type Attacker, startAttacker } from './attacker.ts'
import { Bystander, type Delays } from './bystander.ts'
import { heldFrom } from './connections.ts'
import { startKeySet } from './key-set.ts'
import type { Line } from './line.ts'
import type { StageOptions, Tally } from './stage.ts'

export type Transport = 'ws' | 'uws'

/** What one run of one line told. Bytes are the gateway process's own; the kernel's buffers are not in them. */
export interface LineFigures extends Tally, Delays {
  /** Most resident memory during the attack, less that before it. */
  readonly peakBytes: number
  /** Resident memory after the attack with its connections still open and garbage collected, less that before it. */
  readonly heldBytes: number | undefined
  /** Processor time of the gateway, less what it takes for the bystander alone. */
  readonly cpuMs: number
  /** The attack's connections that the gateway still holds at the end. */
  readonly heldCount: number
  /** The longest life of a connection that ended before, in milliseconds, as far as the looks at them tell. */
  readonly longestMs: number
  /** The bystander's longest ping before the attack: what the machine itself adds. */
  readonly calmPingMaxMs: number
  readonly attackerCpuMs: number
  /** What all processors did for others meanwhile, as a share of one. */
  readonly othersShare: number
}

export interface LineRun {
  readonly name: string
  readonly line: Line
  readonly checkout: string
  readonly transport: Transport
}

const attackerAddress = '127.0.1.1'
const attackerPrefix = '127.0.1.'
const bystanderAddress = '127.0.2.1'

const sampleMs = 50
const holdSampleMs = 500
/** How long the bystander alone is measured before an attack, in milliseconds. */
const calmMs = 1_000
/** How long a gateway may take to come to rest, and to collect its garbage, in milliseconds. */
const settleMaxMs = 20_000
const settleLookMs = 250
/** A process below this share of a processor, beside what the bystander takes, is at rest. */
const restingShare = 0.1
const restedLooksWanted = 2
/** A bystander that waits for less is answered. */
const answeringMs = 500
const garbageMaxMs = 20_000
/** What an attacker may be late with its report, in milliseconds. */
const reportLateMs = 20_000

/** One run of one line against a gateway process of its own. */
export async function measureLine({ name, line, checkout, transport }: LineRun): Promise<LineFigures> {
  const stops: (() => unknown)[] = []
  try {
    const provider = await startModelServer({ keptRequestCount: 0 })
    stops.push(() => provider.close())
    const keySet = line.keySet === undefined ? undefined : await startKeySet(line.keySet)
    stops.push(() => keySet?.stop())
    const keys: Record<string, string> = keySet === undefined ? {} : { SLUICE_JWT_JWKS_URL: keySet.url }
    const { args, port } = await inspectable()
    const env = { ...signingEnv, SLUICE_TRANSPORT: transport, ...keys }
    const gateway = await startCheckout(checkout, { providerUrl: provider.url, env, nodeArgs: args })
    stops.push(() => gateway.stop())
    const [token = '', bystanderToken = ''] = await signTokens(2, (n) => ['attacker', 'bystander'][n] ?? '')
    const bystander = new Bystander(gateway.url, bystanderToken, bystanderAddress)
    stops.push(() => bystander.stop())
    await bystander.begin()
    const pagePath = await largestPath(gateway.url)
    const stage: StageOptions = { url: gateway.url, address: attackerAddress, token, pagePath, share: 1 }
    const attacker = await startAttacker({ kind: 'line', line: name, stage })
    stops.push(() => attacker.stop())
    return await measureAttack({ gateway, inspectorPort: port, line, attacker, bystander })
  } finally {
    for (const stop of stops.reverse()) await stop()
  }
}

/** The path of the page's script; of the OpenAPI document where the page is not built. */
export async function largestPath(url: string): Promise<string> {
  const page = await (await fetch(`${url}/`)).text()
  return /(?:src|href)="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] ?? '/v1/openapi.json'
}

interface Measured {
  readonly gateway: GatewayProcess
  readonly inspectorPort: number
  readonly line: Line
  readonly attacker: Attacker
  readonly bystander: Bystander
}

async function measureAttack(measured: Measured): Promise<LineFigures> {
  const { gateway, inspectorPort, line, attacker, bystander } = measured
  const { pid } = gateway
  bystander.take()
  const calmShare = await busyShare(pid, calmMs)
  const { pingMaxMs: calmPingMaxMs } = bystander.take()
  await garbageCollected(inspectorPort)
  bystander.take()
  const beforeBytes = await residentBytes(pid)
  const cpu = await measureCpu({ gateway: pid, attacker: attacker.pid })
  const watch = new Watch(gateway, beforeBytes)
  const tally = await attacker.attack(line.seconds * 1_000 + reportLateMs)
  await rested(pid, calmShare, bystander)
  const { ownMs, others, elapsedMs } = await cpu()
  const delays = bystander.take()
  const held = await attackersConnections(gateway)
  const { peakBytes, longestMs } = await watch.end(held)
  const isCollected = await garbageCollected(inspectorPort)
  return {
    ...tally,
    ...delays,
    calmPingMaxMs,
    peakBytes,
    heldBytes: isCollected ? (await residentBytes(pid)) - beforeBytes : undefined,
    cpuMs: Math.max(0, (ownMs.gateway ?? 0) - calmShare * elapsedMs),
    heldCount: held.size,
    longestMs,
    attackerCpuMs: ownMs.attacker ?? 0,
    othersShare: others,
  }
}

/** Watches memory and connections from now on. */
class Watch {
  readonly #gateway: GatewayProcess
  readonly #beforeBytes: number
  readonly #seen = new Map<string, { firstMs: number; lastMs: number }>()
  readonly #timers: readonly NodeJS.Timeout[]
  #peakBytes = 0

  constructor(gateway: GatewayProcess, beforeBytes: number) {
    this.#gateway = gateway
    this.#beforeBytes = beforeBytes
    // A look that fails has no figure: the gateway has ended, which the run says otherwise.
    const look = () => this.#look().catch(() => undefined)
    const lookAtHeld = () => this.#lookAtHeld().catch(() => undefined)
    this.#timers = [setInterval(look, sampleMs), setInterval(lookAtHeld, holdSampleMs)]
  }

  /** `held`: the connections that have not ended. */
  async end(held: ReadonlySet<string>): Promise<Pick<LineFigures, 'peakBytes' | 'longestMs'>> {
    for (const timer of this.#timers) clearInterval(timer)
    await this.#look()
    const ended = [...this.#seen].filter(([connection]) => !held.has(connection))
    const longestMs = Math.max(0, ...ended.map(([, { firstMs, lastMs }]) => lastMs - firstMs))
    return { peakBytes: this.#peakBytes, longestMs }
  }

  async #look(): Promise<void> {
    this.#peakBytes = Math.max(this.#peakBytes, (await residentBytes(this.#gateway.pid)) - this.#beforeBytes)
  }

  async #lookAtHeld(): Promise<void> {
    const atMs = performance.now()
    for (const connection of await attackersConnections(this.#gateway)) {
      const seen = this.#seen.get(connection)
      if (seen === undefined) this.#seen.set(connection, { firstMs: atMs, lastMs: atMs })
      else seen.lastMs = atMs
    }
  }
}

function attackersConnections({ url }: GatewayProcess): Promise<Set<string>> {
  return heldFrom(Number(new URL(url).port), attackerPrefix)
}

/** Whether it did so in time. */
async function garbageCollected(port: number): Promise<boolean> {
  const late = new Promise<boolean>((resolve) => {
    setTimeout(() => resolve(false), garbageMaxMs).unref()
  })
  const collected = collectGarbage(port).then(
    () => true,
    () => false,
  )
  return Promise.race([collected, late])
}

/** The share of a processor that a process takes from now on for so long. */
async function busyShare(pid: number, ms: number): Promise<number> {
  const before = await cpuTime(pid)
  const startedMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, ms))
  const after = await cpuTime(pid)
  const ownMs = after.userMs + after.systemMs - before.userMs - before.systemMs
  return ownMs / (performance.now() - startedMs)
}

/**
 * Resolves when the process takes no more than before the attack and answers the bystander: one that is starved by others
 * takes no time either, but leaves the bystander waiting.
 */
async function rested(pid: number, calmShare: number, bystander: Bystander): Promise<void> {
  const untilMs = performance.now() + settleMaxMs
  let restedLooks = 0
  while (performance.now() < untilMs && restedLooks < restedLooksWanted) {
    const share = await busyShare(pid, settleLookMs)
    const isResting = share < calmShare + restingShare && bystander.waitsForMs() < answeringMs
    restedLooks = isResting ? restedLooks + 1 : 0
  }
}
