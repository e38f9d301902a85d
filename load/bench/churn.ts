import { join } from 'node:path'
import { type Histogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { type ChurnPlan, type ChurnTally, ChurnUser, pause } from './churn-user.ts'
import { percentile } from './figures.ts'
import { type CpuUse, measureCpu, percent } from './machine.ts'
import { listeningLine, type Started, startNode } from './processes.ts'
import { startTwoNodes, type TwoNodes } from './two-nodes.ts'

/**
 * `npm run bench -- churn`: users whose sockets die about every 15 s and who are away for about 2 s each time, while answers
 * stream over two gateways and one Redis. No balancer stands between: each comes back to one of the two nodes by chance,
 * so half of them read what the other node produces. Every user has a subject and a session of its own and asks one question
 * after the other; every answer is compared with what the model server gives to that question, and in the end each history
 * with what was asked. A token comes more often than the shortest absence, so that one resumed in mid-answer always has
 * missed text. The users are one process; its event loop's delay tells whether it was the limit.
 */
export interface ChurnOptions {
  readonly userCount: number
  readonly seconds: number
  readonly msPerToken: number
  readonly tokensEach: number
  /** Before each question, in the mean. */
  readonly thinkSeconds: number
  readonly seed: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

const up = [8_000, 18_000] as const
const away = [1_000, 3_000] as const
const model = 'bench'

/** One user begins every so many milliseconds. */
const rampMs = 15
/** What the last answers get beyond their own length, in milliseconds. */
const graceMs = 60_000
const loopResolutionMs = 5
const sayEveryMs = 20_000
/** Tokens asked for at once before the start. */
const tokensAtOnce = 20

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
  const { userCount, seconds, msPerToken, tokensEach, say } = options
  const tokens = await tokensOf(nodes, userCount)
  const tally = emptyTally()
  let isOver = false
  const plan = planOf(options, nodes, tally, () => isOver)
  const users = tokens.map((token, n) => new ChurnUser(plan, n, token))
  const abort = new AbortController()
  const delay = monitorEventLoopDelay({ resolution: loopResolutionMs })
  const startedMs = performance.now()
  const running = users.map(async (user, n) => {
    await pause(n * rampMs)
    return user.run(abort.signal)
  })
  await pause(userCount * rampMs)
  // Processes are warm from here on, and everybody is there: resumes before do not count.
  for (const times of [tally.openedMs, tally.resumedMs]) times.length = 0
  delay.enable()
  const { one, other, redis } = nodes
  const pids = { 'node one': one.pid, 'node two': other.pid, Redis: redis.pid, provider: provider.pid }
  const measured = await measureCpu(pids)
  const progress = setInterval(() => say(progressLine(tally, startedMs)), sayEveryMs)
  await pause(seconds * 1_000)
  delay.disable()
  const use = await measured()
  isOver = true
  const deadline = setTimeout(() => abort.abort(), msPerToken * tokensEach + graceMs)
  await Promise.all(running)
  clearTimeout(deadline)
  clearInterval(progress)
  return [report(tally, users), cpuLine(use, delay)].join('\n')
}

function planOf(options: ChurnOptions, nodes: TwoNodes, tally: ChurnTally, isOver: () => boolean): ChurnPlan {
  return {
    socketUrls: [nodes.one.socketUrl, nodes.other.socketUrl],
    model,
    random: seeded(options.seed),
    isOver,
    question: (user, n) => `Question ${n} of user ${user}.\n[[tokens=${options.tokensEach}]]`,
    up,
    away,
    thinking: [0, options.thinkSeconds * 2_000],
    tally,
  }
}

async function tokensOf(nodes: TwoNodes, count: number): Promise<readonly string[]> {
  const tokens: string[] = []
  while (tokens.length < count) {
    const some = Array.from({ length: Math.min(tokensAtOnce, count - tokens.length) }, (_, n) => tokens.length + n)
    tokens.push(...(await Promise.all(some.map((n) => nodes.one.token(`churn-${n}`)))))
  }
  return tokens
}

function emptyTally(): ChurnTally {
  const counts = { killCount: 0, lostCount: 0, answerCount: 0, resendCount: 0, restartCount: 0, failedCount: 0 }
  return { ...counts, openedMs: [], resumedMs: [], faults: [] }
}

function progressLine({ killCount, resumedMs, lostCount, faults }: ChurnTally, startedMs: number): string {
  const seconds = Math.round((performance.now() - startedMs) / 1_000)
  const p99 = percentile(resumedMs, 0.99).toFixed(0)
  return `${seconds} s: ${killCount} sockets killed, ${resumedMs.length} resumes (p99 ${p99} ms), ${lostCount} sockets lost otherwise, ${faults.length} faults`
}

function report(tally: ChurnTally, users: readonly ChurnUser[]): string {
  const { openedMs, resumedMs, killCount, lostCount, answerCount, resendCount, restartCount, failedCount, faults } =
    tally
  const undone = users.filter((user) => !user.isDone).length
  const times = (values: readonly number[]) =>
    `p50 ${percentile(values, 0.5).toFixed(1)} ms, p99 ${percentile(values, 0.99).toFixed(1)} ms, most ${percentile(values, 1).toFixed(1)} ms`
  return [
    `${answerCount} answers, each compared by length, SHA-256 and text; ${faults.length} faults; ${undone} of ${users.length} users did not come to the end`,
    ...faults.slice(0, 5),
    `${killCount} sockets killed, ${lostCount} lost otherwise, ${resendCount} questions sent again, ${restartCount} answers begun anew, ${failedCount} ended as failed`,
    `${resumedMs.length} resumes, dial to the first of what was missed: ${times(resumedMs)}; dial to session.opened: ${times(openedMs)}`,
  ].join('\n')
}

function cpuLine({ ownMs, others, elapsedMs }: CpuUse, delay: Histogram): string {
  const shares = Object.entries(ownMs).map(([name, ms]) => `${name} ${percent(ms / elapsedMs)}`)
  const [p50Ms, p99Ms] = [50, 99].map((part) => (delay.percentile(part) / 1e6 - loopResolutionMs).toFixed(1))
  const late = `the users' event loop was late by p50 ${p50Ms} ms, p99 ${p99Ms} ms`
  return `CPU, of one processor: ${shares.join(', ')}, others ${percent(others)}; ${late}`
}

/** mulberry32: the same numbers for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
