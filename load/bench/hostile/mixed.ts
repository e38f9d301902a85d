import { createHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { startModelServer } from '../../model-server/server.ts'
import { startCheckout } from '../gateway-process.ts'
import { machine, measureCpu } from '../machine.ts'
import { residentBytes } from '../processes.ts'
import { sluiceDialect } from '../socket-dialects.ts'
import { type Dialect, runStream, within } from '../streams.ts'
import { signingEnv, signTokens } from '../tokens.ts'
import { startAttacker } from './attacker.ts'
import { largestPath, type Transport } from './measure.ts'
import type { StageOptions } from './stage.ts'

/**
 * Honest sockets that stream, each of a subject and an address of its own, with and without an attack from many addresses
 * beside them, round after round in turns against one gateway process. A token's latency is from the provider's write to
 * the client's read. The attacker is a process of low priority: what is told is what the attack does to the gateway, not
 * to the processors that both run on.
 */
export interface MixedOptions {
  readonly checkout: string
  readonly transport: Transport
  readonly seconds: number
  readonly roundCount: number
  say(line: string): void
}

/** One round. Times are in milliseconds. */
export interface HonestRound {
  readonly tokenP50Ms: number
  readonly tokenP99Ms: number
  readonly tokenMaxMs: number
  readonly tokenCount: number
  /** Streams that broke, were refused or did not end. */
  readonly brokenCount: number
  /** Why, each reason once. */
  readonly reasons: readonly string[]
  readonly gatewayCpuMs: number
  readonly attackerCpuMs: number
  readonly attackSentBytes: number
  readonly attackOpenedCount: number
  readonly residentBytes: number
  readonly othersShare: number
}

export interface MixedFigures {
  readonly checkout: string
  readonly transport: Transport
  readonly seconds: number
  readonly alone: readonly HonestRound[]
  readonly attacked: readonly HonestRound[]
}

const honestCount = 50
const tokensPerSecond = 50
const attackerCount = 50
/** Of each line's connections, for each of the addresses. */
const attackShare = 1 / 25
/** What the streams may take beyond their own time, in milliseconds. */
const lateMs = 60_000

export async function benchMixed(options: MixedOptions): Promise<MixedFigures> {
  const { checkout, transport, seconds, roundCount, say } = options
  // In this process, as the honest clients are, so that both read one clock.
  const provider = await startModelServer({ ttftMs: 50, tokensPerSecond, answer: 'clock', keptRequestCount: 0 })
  const env = { ...signingEnv, SLUICE_TRANSPORT: transport }
  const gateway = await startCheckout(checkout, { providerUrl: provider.url, env, nodeArgs: [] })
  const figures = { alone: [] as HonestRound[], attacked: [] as HonestRound[] }
  try {
    const honestTokens = await signTokens(honestCount, (n) => `honest-${n}`)
    const attackTokens = await signTokens(attackerCount, (n) => `attacker-${n}`)
    const pagePath = await largestPath(gateway.url)
    const stages = attackTokens.map((token, n): StageOptions => {
      return { url: gateway.url, address: `127.0.1.${n + 1}`, token, pagePath, share: attackShare }
    })
    let [nextToken, nextAddress] = [0, 0]
    const dialect = sluiceDialect(
      gateway.socketUrl,
      () => honestTokens[nextToken++ % honestCount] ?? '',
      () => `127.0.2.${(nextAddress++ % honestCount) + 1}`,
    )
    await streamHonestly(dialect, 2)
    say(`${transport}: ${seconds} s a round, ${honestCount} honest sockets; ${machine()}`)
    for (let round = 1; round <= roundCount; round++) {
      for (const isAttacked of [false, true]) {
        const honest = await runRound(dialect, { pid: gateway.pid, seconds, stages: isAttacked ? stages : [] })
        figures[isAttacked ? 'attacked' : 'alone'].push(honest)
        say(`${transport}: round ${round} ${isAttacked ? 'attacked' : 'alone   '} ${roundLine(honest)}`)
      }
    }
  } finally {
    await gateway.stop()
    await provider.close()
  }
  return { checkout, transport, seconds, ...figures }
}

interface RoundOptions {
  readonly pid: number
  readonly seconds: number
  readonly stages: readonly StageOptions[]
}

async function runRound(dialect: Dialect, { pid, seconds, stages }: RoundOptions): Promise<HonestRound> {
  const attacker = stages.length === 0 ? undefined : await startAttacker({ kind: 'mix', stages, seconds })
  try {
    const cpu = await measureCpu({ gateway: pid, ...(attacker === undefined ? {} : { attacker: attacker.pid }) })
    const attack = attacker?.attack(seconds * 1_000 + lateMs)
    const honest = await streamHonestly(dialect, seconds)
    const tally = await attack
    const { ownMs, others } = await cpu()
    return {
      ...honest,
      gatewayCpuMs: ownMs.gateway ?? 0,
      attackerCpuMs: ownMs.attacker ?? 0,
      attackSentBytes: tally?.sentBytes ?? 0,
      attackOpenedCount: tally?.openedCount ?? 0,
      residentBytes: await residentBytes(pid),
      othersShare: others,
    }
  } finally {
    await attacker?.stop()
  }
}

type Honest = Pick<HonestRound, 'tokenP50Ms' | 'tokenP99Ms' | 'tokenMaxMs' | 'tokenCount' | 'brokenCount' | 'reasons'>

/** One answer of so many seconds on each honest socket. They begin spread over a second. */
async function streamHonestly(dialect: Dialect, seconds: number): Promise<Honest> {
  const latency = createHistogram()
  const tokenCount = seconds * tokensPerSecond
  const streams = Array.from({ length: honestCount }, async (_, n) => {
    await setTimeout((1_000 * n) / honestCount)
    const question = { content: `honest ${n}\n[[tokens=${tokenCount}]]`, model: 'bench' }
    return within(runStream(dialect, question, latency), seconds * 1_000 + lateMs)
  })
  const settled = await Promise.allSettled(streams)
  const broken = settled.filter((stream) => stream.status === 'rejected')
  return {
    tokenP50Ms: latency.percentile(50) / 1e6,
    tokenP99Ms: latency.percentile(99) / 1e6,
    tokenMaxMs: latency.max / 1e6,
    tokenCount: latency.count,
    brokenCount: broken.length,
    reasons: [...new Set(broken.map(({ reason }) => String(reason)))],
  }
}

function roundLine(round: HonestRound): string {
  const { tokenP50Ms, tokenP99Ms, brokenCount, reasons, gatewayCpuMs, attackerCpuMs } = round
  const token = `token p50 ${tokenP50Ms.toFixed(2)} p99 ${tokenP99Ms.toFixed(2)} max ${round.tokenMaxMs.toFixed(0)} ms`
  const broken = `${brokenCount} of ${honestCount} broken${reasons.length > 0 ? ` (${reasons.join('; ')})` : ''}`
  const cpu = `CPU gateway ${(gatewayCpuMs / 1_000).toFixed(1)} s, attacker ${(attackerCpuMs / 1_000).toFixed(1)} s`
  return `${token}, ${broken}; ${cpu}, others ${(100 * round.othersShare).toFixed(0)} %`
}
