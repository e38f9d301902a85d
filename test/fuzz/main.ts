/**
 * `npm run fuzz`: every target for its share of the time, one after the other, each in a process of its own.
 *
 *   --minutes N    in all; default 5
 *   --only a,b     these targets
 *   --seed N       of the first batch; default: by the clock. The same seed makes the same inputs, up to what was kept as new.
 *
 *   --hang N       seconds that one input may take before it counts as endless; default 60
 *   --targets F    a module with other `targets`
 *   --seeds D      another folder of seeds
 *
 * An input that breaks a target is written to `seeds/<target>/`, and from then on `npm test` runs it. Exits with 1 then.
 */
import { fork } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { inputOf, type Recipe, readRecipe } from './recipe.ts'
import type { Failure, FuzzReport } from './run-target.ts'
import { seedsFolder, writeSeed } from './seeds.ts'
import type { Target } from './target.ts'

/** How often it is looked whether the same input is still being run, in milliseconds. */
const lookMs = 500
/** Heap of one target's process, in MiB. */
const heapMib = 1_024
/** What a target may hold at its end more than at its beginning, in bytes: more grows with the inputs. */
const keptBytesMax = 64 * 1024 * 1024

const mebi = 1024 * 1024

interface Options {
  readonly minutes: number
  readonly chosen: readonly Target[]
  readonly seed: number
  readonly hangMs: number
  readonly targetsFile: string
  readonly seeds: string
}

async function optionsFrom(args: readonly string[]): Promise<Options> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '5' },
      only: { type: 'string' },
      seed: { type: 'string' },
      hang: { type: 'string', default: '60' },
      targets: { type: 'string', default: path.join(import.meta.dirname, 'targets.ts') },
      seeds: { type: 'string', default: seedsFolder },
    },
  })
  const [minutes, hangMs] = [Number(values.minutes), Number(values.hang) * 1_000]
  const seed = Number(values.seed ?? Date.now() % 1_000_000_000)
  const targetsFile = path.resolve(values.targets)
  const { targets }: { targets: readonly Target[] } = await import(targetsFile)
  const names = values.only?.split(',')
  const unknown = names?.filter((name) => !targets.some((target) => target.name === name)) ?? []
  if (unknown.length > 0)
    throw new Error(`unknown target ${unknown.join(', ')}; there are ${targets.map(({ name }) => name).join(', ')}`)
  if (!(minutes > 0) || !(hangMs > 0) || !Number.isSafeInteger(seed))
    throw new Error('--minutes, --hang and --seed are numbers')
  const chosen = targets.filter(({ name }) => names?.includes(name) ?? true)
  return { minutes, seed, chosen, hangMs, targetsFile, seeds: path.resolve(values.seeds) }
}

type Told = { readonly runs: number } | { readonly report: FuzzReport }

/** Resolves with its report, or with the input that ended its process. */
function fuzzApart(target: Target, options: Options, folder: string): Promise<FuzzReport> {
  const { seed, hangMs, targetsFile, seeds, minutes, chosen } = options
  const budgetMs = (minutes * 60_000) / chosen.length
  const currentFile = path.join(folder, `${target.name}.json`)
  const child = fork(
    path.join(import.meta.dirname, 'child.ts'),
    [target.name, String(seed), String(budgetMs), currentFile, targetsFile, seeds],
    {
      execArgv: ['--expose-gc', `--max-old-space-size=${heapMib}`, '--disable-warning=ExperimentalWarning'],
    },
  )
  let runs = 0
  let report: FuzzReport | undefined
  let isEndless = false
  child.on('message', (told: Told) => {
    if ('runs' in told) runs = told.runs
    else report = told.report
    process.stderr.write(`\r${target.name} ${runs} inputs `)
  })
  const stopLooking = watchFor(currentFile, hangMs, () => {
    isEndless = true
    child.kill('SIGKILL')
  })
  const stop = () => child.kill('SIGKILL')
  for (const signal of signals) process.once(signal, stop)
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      stopLooking()
      for (const each of signals) process.removeListener(each, stop)
      process.stderr.write('\r\u001b[K')
      const reason = isEndless ? `did not end within ${hangMs / 1_000} s` : `the process ended with ${signal ?? code}`
      resolve(report ?? brokenReport(target, runs, { recipe: recipeIn(currentFile), reason, seed }))
    })
  })
}

const signals = ['SIGINT', 'SIGTERM'] as const

/** Calls when the same input is being run for longer than `hangMs`. */
function watchFor(file: string, hangMs: number, ended: () => void): () => void {
  let seen = ''
  let sinceMs = performance.now()
  const timer = setInterval(() => {
    const now = textIn(file)
    // Nothing is written until the process has loaded its target.
    if (now !== seen || now === '') {
      seen = now
      sinceMs = performance.now()
    } else if (performance.now() - sinceMs > hangMs) ended()
  }, lookMs)
  return () => clearInterval(timer)
}

function textIn(file: string): string {
  try {
    return readFileSync(file, 'utf8').split('\n', 1)[0] ?? ''
  } catch {
    return ''
  }
}

function recipeIn(file: string): Recipe {
  const text = textIn(file)
  return text === '' ? { pieces: [], steps: [], cuts: [] } : readRecipe(text)
}

function brokenReport({ name }: Target, runs: number, failure: Failure): FuzzReport {
  const worst = { worstCpu: { cpuMs: 0, units: 0 }, worstHeapBytes: 0, keptBytes: undefined }
  return { target: name, runs, kinds: 0, ...worst, failures: [failure] }
}

function lineOf({ target, runs, kinds, worstCpu, worstHeapBytes, keptBytes = 0 }: FuzzReport): string {
  const columns = [
    target.padEnd(16),
    `${runs} inputs`.padStart(14),
    `${kinds} kinds`.padStart(11),
    `worst ${worstCpu.cpuMs.toFixed(0)} ms at ${worstCpu.units} characters`.padStart(34),
    `heap ${(worstHeapBytes / mebi).toFixed(1)} MiB`.padStart(16),
    `kept ${(keptBytes / mebi).toFixed(1)} MiB`.padStart(15),
  ]
  return columns.join('')
}

function tell(target: Target, { recipe, reason, seed }: Failure, seeds: string): void {
  const { text, cuts } = inputOf(recipe, target.unitsMax)
  const shown = JSON.stringify(text.length > 300 ? `${text.slice(0, 300)}…` : text)
  const saved =
    seed === undefined ? '' : `  saved as ${path.relative(process.cwd(), writeSeed(target.name, recipe, seeds))}\n`
  process.stdout.write(
    `FAILED ${target.name}${seed === undefined ? '' : ` with --seed ${seed}`}: ${reason}\n${saved}` +
      `  ${text.length} characters${cuts.length > 0 ? ` in parts of ${cuts.join(', ')}` : ''}: ${shown}\n`,
  )
}

async function fuzzAll(options: Options): Promise<number> {
  const { minutes, chosen, seed, seeds } = options
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-fuzz-'))
  let failedCount = 0
  process.stdout.write(`${chosen.length} targets, ${minutes} min in all, seed ${seed}\n`)
  try {
    for (const target of chosen) {
      const report = await fuzzApart(target, options, folder)
      process.stdout.write(`${lineOf(report)}\n`)
      for (const failure of report.failures) tell(target, failure, seeds)
      const isLeaking = (report.keptBytes ?? 0) > keptBytesMax
      if (isLeaking)
        process.stdout.write(`FAILED ${target.name}: it holds more than ${keptBytesMax / mebi} MiB at its end\n`)
      if (report.failures.length > 0 || isLeaking) failedCount += 1
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  process.stdout.write(failedCount === 0 ? 'no input broke a target\n' : `${failedCount} targets were broken\n`)
  return failedCount === 0 ? 0 : 1
}

try {
  process.exitCode = await fuzzAll(await optionsFrom(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
