import { parseArgs } from 'node:util'
import { benchCancel } from '../load/bench/cancel.ts'
import { benchFirstToken } from '../load/bench/first-token.ts'
import { benchSlowReaders } from '../load/bench/slow-readers.ts'
import { benchToken, report } from '../load/bench/token.ts'

const usage = 'usage: sluice bench token|first-token|slow-readers|cancel [--name value …]'

/** `npm run bench -- <name>`: each reports figures; nothing is asserted. Traffic goes to this machine alone. */
export async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  const bench = benches.get(name ?? '')
  if (bench === undefined) throw new Error(usage)
  say(await bench(rest))
  return 0
}

const benches = new Map<string, (args: readonly string[]) => Promise<string>>([
  ['token', token],
  ['first-token', firstToken],
  ['slow-readers', slowReaders],
  ['cancel', cancel],
])

async function token(args: readonly string[]): Promise<string> {
  const given = numbers(args, { streams: 100, tps: 50, seconds: 10, rounds: 3 })
  const rows = await benchToken({
    streamCount: given.streams,
    tokensPerSecond: given.tps,
    tokensEach: given.tps * given.seconds,
    roundCount: given.rounds,
    uwsPath: process.env.SLUICE_UWS_PATH,
    say,
  })
  return `\n${report(rows)}`
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

async function cancel(args: readonly string[]): Promise<string> {
  const given = numbers(args, { times: 50 })
  const lines: string[] = []
  for (const transport of transports())
    lines.push(`${transport}: ${await benchCancel({ times: given.times, transport })}`)
  return lines.join('\n')
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
