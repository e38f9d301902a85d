import { parseArgs } from 'node:util'
import { benchCancel } from '../load/bench/cancel.ts'
import { benchChurn } from '../load/bench/churn.ts'
import { benchCrossNode } from '../load/bench/cross-node.ts'
import { benchFirstToken } from '../load/bench/first-token.ts'
import { benchGrowth, growthLine } from '../load/bench/growth.ts'
import { besideLaneNames, isLaneName, type LaneName, laneNames, ownLaneNames } from '../load/bench/lanes.ts'
import { machine } from '../load/bench/machine.ts'
import { keepReport, writePage } from '../load/bench/page.ts'
import { benchResumability } from '../load/bench/resumability.ts'
import { benchSlowBeside, slowBesideReport } from '../load/bench/slow-beside.ts'
import { benchSlowReaders } from '../load/bench/slow-readers.ts'
import { benchSockets, socketsReport } from '../load/bench/sockets.ts'
import { benchTakeOver } from '../load/bench/take-over.ts'
import { benchToken } from '../load/bench/token.ts'
import { tokenReport } from '../load/bench/token-report.ts'
import { benchWatchers, watchersReport } from '../load/bench/watchers.ts'
import { hostile } from './bench-hostile.ts'

interface Bench {
  /** One line, for the usage. */
  readonly what: string
  /** What it answers is Markdown; default: text. */
  readonly isMarkdown?: boolean
  run(args: readonly string[]): Promise<string>
}

/** `npm run bench -- <name>`: each reports figures; nothing is asserted. Traffic goes to this machine alone. */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === 'page') return page()
  const bench = benches.get(name ?? '')
  if (bench === undefined) throw new Error(usage())
  // What was started ends with this process, by its `exit`, which a signal alone would skip.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
  const text = await bench.run(rest)
  say(text)
  const command = ['npm run bench --', name, ...rest].join(' ')
  const { what, isMarkdown = false } = bench
  const at = new Date().toISOString()
  await keepReport({ name: name ?? '', what, command, machine: machine(), at, text, isMarkdown })
  return 0
}

/** What was last told of each benchmark here, as a page. */
async function page(): Promise<number> {
  say(`wrote ${await writePage([...benches.keys()])}`)
  return 0
}

function usage(): string {
  const lines = [...benches].map(([name, { what }]) => `  ${name.padEnd(13)} ${what}`)
  const last = '  page          write docs/BENCHMARKS.md from what was last told here'
  return ['usage: sluice bench NAME [--option number …]', ...lines, last].join('\n')
}

const benches = new Map<string, Bench>([
  [
    'token',
    {
      run: token,
      what: 'CPU and latency of a token, beside a minimal relay: --streams --tps --seconds --rounds --beside DIR',
    },
  ],
  ['peers', { run: peers, what: 'the same beside other servers too: --only a,b, and the options of token' }],
  [
    'first-token',
    { run: firstToken, what: 'the wait for the first words: --sockets --questions --provider (its own ms)' },
  ],
  ['slow-readers', { run: slowReaders, what: 'memory for readers that do not read: --readers --tokens --still (s)' }],
  ['cancel', { run: cancel, what: "from a cancel to the provider's closed connection: --times" }],
  ['sockets', { run: sockets, what: 'idle memory, new, resumed, and all dropped at once: --sockets --storm' }],
  [
    'watchers',
    {
      run: watchers,
      what: 'one answer that many watch, beside a bare send: --watchers --frames (/s) --seconds --rounds',
    },
  ],
  [
    'growth',
    { run: growth, what: 'ten and a hundred times the streams; more processes over one Redis: --tps --seconds' },
  ],
  [
    'slow-beside',
    { run: slowBeside, what: 'fast readers beside some of 1 KB/s: --fast --slow --tps --seconds --rounds' },
  ],
  [
    'nodes',
    { run: nodes, what: 'cross-node delivery, and the cost of Redis: --streams --tps --seconds --turns --rounds' },
  ],
  ['take-over', { run: takeOver, what: 'from the kill of a producing node to the next token elsewhere: --times' }],
  [
    'churn',
    {
      run: churn,
      what: 'sockets that die again and again: --sockets --seconds --pace (ms a token) --tokens --think (s) --seed',
    },
  ],
  [
    'hostile',
    {
      isMarkdown: true,
      run: (args) => hostile(args, transports(), say),
      what: 'what hostile clients cost: --only a,b* --transport ws|uws --gateway DIR,. --rounds --seconds (of the mix)',
    },
  ],
])

function token(args: readonly string[]): Promise<string> {
  const at = args.indexOf('--beside')
  if (at < 0) return compare(ownLaneNames, args)
  const otherCheckout = args[at + 1]
  if (otherCheckout === undefined) throw new Error('--beside needs the folder of another checkout')
  return compare(['relay', ...besideLaneNames], args.toSpliced(at, 2), otherCheckout)
}

async function peers(args: readonly string[]): Promise<string> {
  const at = args.indexOf('--only')
  if (at < 0) return compare(laneNames, args)
  const only = (args[at + 1] ?? '').split(',')
  const unknown = only.find((name) => !isLaneName(name))
  if (unknown !== undefined) throw new Error(`--only '${unknown}' must be one of ${laneNames.join(', ')}`)
  return compare(only.filter(isLaneName), args.toSpliced(at, 2))
}

async function compare(names: readonly LaneName[], args: readonly string[], otherCheckout?: string): Promise<string> {
  const given = numbers(args, { streams: 100, tps: 50, seconds: 10, rounds: 3 })
  const hasUws = transports().includes('uws')
  const result = await benchToken({
    lanes: hasUws ? names : names.filter((name) => !name.endsWith('-uws')),
    streamCount: given.streams,
    tokensPerSecond: given.tps,
    tokensEach: given.tps * given.seconds,
    roundCount: given.rounds,
    ...(otherCheckout !== undefined && { otherCheckout }),
    say,
  })
  return `\n${tokenReport(result)}`
}

async function firstToken(args: readonly string[]): Promise<string> {
  const given = numbers(args, { sockets: 50, questions: 10, provider: 300 })
  const lines: string[] = []
  for (const transport of transports()) {
    const figures = await benchFirstToken({
      socketCount: given.sockets,
      questionsEach: given.questions,
      providerMs: given.provider,
      transport,
    })
    const { count, p50Ms, p95Ms, p99Ms } = figures
    const times = `p50 ${p50Ms.toFixed(1)} ms, p95 ${p95Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`
    lines.push(`${transport}: first token of ${count} answers, provider at ${given.provider} ms: ${times}`)
  }
  return lines.join('\n')
}

async function slowReaders(args: readonly string[]): Promise<string> {
  const given = numbers(args, { readers: 20, tokens: 100_000, still: 30 })
  const lines: string[] = []
  for (const transport of transports()) {
    const { readers, tokens, still } = given
    const options = { readerCount: readers, tokenCount: tokens, stillMs: still * 1_000, transport, say }
    lines.push(`${transport}: ${await benchSlowReaders(options)}`)
  }
  return lines.join('\n')
}

async function sockets(args: readonly string[]): Promise<string> {
  const given = numbers(args, { sockets: 8_000, storm: 5_000 })
  say(machine())
  const lines: string[] = []
  for (const transport of transports()) {
    const options = { socketCount: given.sockets, stormCount: given.storm, transport, say }
    lines.push(socketsReport(await benchSockets(options)))
  }
  return lines.join('\n')
}

async function watchers(args: readonly string[]): Promise<string> {
  const given = numbers(args, { watchers: 1_000, frames: 10, seconds: 8, rounds: 3 })
  const { watchers: watcherCount, frames: framesPerSecond, seconds, rounds: roundCount } = given
  say(machine())
  const lines: string[] = []
  for (const transport of transports()) {
    const options = { watcherCount, framesPerSecond, seconds, roundCount, transport, say }
    lines.push(watchersReport(await benchWatchers(options)))
  }
  return lines.join('\n')
}

async function growth(args: readonly string[]): Promise<string> {
  const given = numbers(args, { tps: 5, seconds: 20 })
  say(machine())
  const lines: string[] = []
  for (const transport of transports()) {
    const grown = { streamCounts: [10, 100, 1_000], processCounts: [1, 2, 4], tokensPerSecond: given.tps }
    const { byStreams, byProcesses } = await benchGrowth({ ...grown, seconds: given.seconds, transport, say })
    for (const point of [...byStreams, ...byProcesses]) lines.push(growthLine(transport, point))
  }
  return lines.join('\n')
}

async function slowBeside(args: readonly string[]): Promise<string> {
  const given = numbers(args, { fast: 100, slow: 1, tps: 20, seconds: 8, rounds: 3 })
  say(machine())
  const lines: string[] = []
  for (const transport of transports()) {
    const { fast: fastCount, slow: slowCount, tps: tokensPerSecond, seconds, rounds: roundCount } = given
    const options = { fastCount, slowCount, tokensPerSecond, seconds, roundCount, transport, say }
    lines.push(slowBesideReport(await benchSlowBeside(options)))
  }
  return lines.join('\n')
}

async function cancel(args: readonly string[]): Promise<string> {
  const given = numbers(args, { times: 50 })
  const lines: string[] = []
  for (const transport of transports())
    lines.push(`${transport}: ${await benchCancel({ times: given.times, transport })}`)
  return lines.join('\n')
}

async function nodes(args: readonly string[]): Promise<string> {
  const given = numbers(args, { streams: 100, tps: 50, seconds: 10, turns: 50, rounds: 5 })
  const lines: string[] = []
  for (const transport of transports()) {
    const common = { tokensPerSecond: given.tps, roundCount: given.rounds, transport, say }
    const tokensEach = given.tps * given.seconds
    say(`${transport}: ${given.streams} streams of ${given.tps} tokens/s, ${tokensEach} tokens each; ${machine()}`)
    lines.push(`${transport}, provider's write to client's read, median (least–most) of ${given.rounds} rounds`)
    lines.push(await benchCrossNode({ ...common, streamCount: given.streams, tokensEach }))
    const paced = { ...common, turnCount: given.turns, ttftMs: 300, tokensEach: given.tps * 2 }
    const each = `${given.turns} turns at once, ${paced.tokensEach} tokens each`
    say(`${transport}: ${each}, first one after ${paced.ttftMs} ms, then ${given.tps}/s; ${machine()}`)
    lines.push(`${transport}, ${each}, at a model's pace`, await benchResumability(paced))
    say(`${transport}: the same as fast as they are read`)
    const unpaced = { ...paced, ttftMs: 0, tokensPerSecond: 0 }
    lines.push(`${transport}, ${each}, as fast as they are read`, await benchResumability(unpaced))
  }
  return `\n${lines.join('\n')}`
}

async function takeOver(args: readonly string[]): Promise<string> {
  const given = numbers(args, { times: 3 })
  const lines: string[] = []
  say(machine())
  for (const transport of transports())
    lines.push(`${transport}: ${await benchTakeOver({ times: given.times, transport, say })}`)
  return lines.join('\n')
}

async function churn(args: readonly string[]): Promise<string> {
  const given = numbers(args, { sockets: 2_000, seconds: 160, pace: 900, tokens: 25, think: 60, seed: 1 })
  const { sockets: userCount, seconds, pace: msPerToken, tokens: tokensEach, think: thinkSeconds, seed } = given
  const options = { userCount, seconds, msPerToken, tokensEach, thinkSeconds, seed }
  const lines: string[] = []
  for (const transport of transports()) {
    const answers = `answers of ${tokensEach} tokens, one each ${msPerToken} ms, ${thinkSeconds} s between them`
    say(`${transport}: ${userCount} sockets for ${seconds} s, ${answers}; seed ${seed}; ${machine()}`)
    lines.push(`${transport}: ${await benchChurn({ ...options, transport, say })}`)
  }
  return `\n${lines.join('\n')}`
}

function transports(): readonly ('ws' | 'uws')[] {
  if (process.env.SLUICE_UWS_PATH !== undefined) return ['ws', 'uws']
  say('uWebSockets.js is not here: set SLUICE_UWS_PATH to measure it')
  return ['ws']
}

/** Options that are whole numbers from 1 on, by name, with their defaults. */
function numbers<Names extends string>(
  args: readonly string[],
  defaults: Record<Names, number>,
): Record<Names, number> {
  const options = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' as const }]))
  const { values } = parseArgs({ args: [...args], options })
  const given = { ...defaults }
  for (const [name, text] of Object.entries(values)) {
    const value = Number(text)
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} '${text}' must be a whole number, 1 or more`)
    // parseArgs accepts no other names than those of `defaults`.
    given[name as Names] = value
  }
  return given
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}
