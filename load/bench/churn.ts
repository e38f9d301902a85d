import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { startCrew } from '../tester/crew.ts'
import { planDefaults, type RunPlan } from '../tester/plan.ts'
import type { RunResult, SeriesPoint } from '../tester/result.ts'
import { type CpuUse, measureCpu, percent } from './machine.ts'
import { listeningLine, type Started, startNode } from './processes.ts'
import { startTwoNodes, type TwoNodes } from './two-nodes.ts'

/**
 * `npm run bench -- churn`: the load tester's users, whose sockets die about every 13 s and who are away for about 2 s each time,
 * while answers stream over two gateways and one Redis. No balancer stands between: each comes back to one of the two nodes
 * by chance, so half of them read what the other node produces. Every answer is compared with what the model server gives to
 * its question, and in the end each history with what was asked. A token comes more often than the shortest absence, so that
 * one resumed in mid-answer always has missed text. The users are one process; its event loop's delay tells whether it was the
 * limit.
 */
export interface ChurnOptions {
  readonly userCount: number
  readonly seconds: number
  readonly msPerToken: number
  readonly tokensEach: number
  /** Before each question but the first, in the mean. */
  readonly thinkSeconds: number
  readonly seed: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

const everyMs = 13_000
const awayMs = 2_000

/** One user begins every so many milliseconds. */
const rampMs = 15
/** What the last answers get beyond their own length, in milliseconds. */
const graceMs = 60_000
const sayEveryMs = 20_000

export async function benchChurn(options: ChurnOptions): Promise<string> {
  const provider = await startNode(
    [join(import.meta.dirname, '..', 'model-server', 'main.ts'), `--tps=${(1_000 / options.msPerToken).toFixed(4)}`],
    {},
    listeningLine,
  )
  const nodes = await startTwoNodes(provider.url, { SLUICE_TRANSPORT: options.transport })
  try {
    return await churn(options, nodes, provider)
  } finally {
    await nodes.stop()
    await provider.stop()
  }
}

async function churn(options: ChurnOptions, nodes: TwoNodes, provider: Started): Promise<string> {
  const crew = startCrew(planOf(options, nodes), {
    options: {},
    point: (point) => point.atMs % sayEveryMs === 0 && options.say(progressLine(point)),
    warn: options.say,
  })
  const use = await Promise.race([cpuOf(options, nodes, provider, crew.pids), crew.result.then(() => undefined)])
  const result = await crew.result
  return [report(result), ...(use === undefined ? [] : [cpuLine(use, result)])].join('\n')
}

/** From when everybody is there to when nothing more is asked. */
async function cpuOf(
  { userCount, seconds }: ChurnOptions,
  { one, other, redis }: TwoNodes,
  provider: Started,
  [users = process.pid]: readonly number[],
): Promise<CpuUse> {
  await setTimeout(userCount * rampMs)
  const pids = { 'node one': one.pid, 'node two': other.pid, Redis: redis.pid, provider: provider.pid, users }
  const measured = await measureCpu(pids)
  await setTimeout(seconds * 1_000)
  return measured()
}

function planOf(options: ChurnOptions, { one, other }: TwoNodes): RunPlan {
  const { userCount, seconds, msPerToken, tokensEach, thinkSeconds, seed } = options
  const durationMs = userCount * rampMs + seconds * 1_000
  return {
    ...planDefaults,
    name: 'churn',
    runId: 'churn',
    urls: [one.socketUrl, other.socketUrl],
    // More than anybody comes to ask.
    questions: 1 + Math.ceil(durationMs / (msPerToken * tokensEach)),
    outputTokens: tokensEach,
    tokens: { from: 'url', url: `${one.url}/dev/token` },
    workers: 1,
    arrivals: 'closed',
    sockets: userCount,
    rampMs: userCount * rampMs,
    durationMs,
    graceMs: msPerToken * tokensEach + graceMs,
    thinkMs: thinkSeconds * 1_000,
    churn: { everyMs, awayMs },
    check: 'text',
    isHistoryChecked: true,
    seed,
    slos: [],
  }
}

function progressLine({ atMs, sockets, streams, killed, resumed, faults }: SeriesPoint): string {
  return `${atMs / 1_000} s: ${sockets} sockets, ${streams} streams; in the last second ${killed} killed, ${resumed} resumed, ${faults} faults`
}

function report({ counts, faults, measures }: RunResult): string {
  const { completed, failed, unfinished, killed, lost, resent, restarted, resumed } = counts
  const times = (name: 'resume' | 'open' | 'connect') => {
    const { p50Ms = 0, p99Ms = 0, maxMs = 0 } = measures[name] ?? {}
    return `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, most ${maxMs.toFixed(1)} ms`
  }
  const faultCount = faults.reduce((sum, { count }) => sum + count, 0)
  return [
    `${completed} answers, each compared by length, SHA-256 and text; ${faultCount} faults; ${unfinished} without an end`,
    ...faults.flatMap(({ examples }) => examples),
    `${killed} sockets killed, ${lost} lost otherwise, ${resent} questions sent again, ${restarted} answers begun anew, ${failed} ended as failed`,
    `${resumed} resumes, dial to the first of what was missed: ${times('resume')}; dial to welcome: ${times('connect')}; from there to session.opened: ${times('open')}`,
  ].join('\n')
}

function cpuLine({ ownMs, others, elapsedMs }: CpuUse, { driver }: RunResult): string {
  const shares = Object.entries(ownMs).map(([name, ms]) => `${name} ${percent(ms / elapsedMs)}`)
  const late = `the users' event loop was late by p99 ${driver.loopDelayP99Ms.toFixed(1)} ms`
  return `CPU, of one processor: ${shares.join(', ')}, others ${percent(others)}; ${late}${driver.isLimit ? `: ${driver.why}` : ''}`
}
