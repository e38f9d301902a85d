/** Runs one target: its seeds, then recipes until the budget is spent or an input broke it. */
import fc from 'fast-check'
import { recipes } from './generate.ts'
import { type Cost, heldBytes, isAbove, measureWithin } from './measure.ts'
import { type Input, inputOf, type Recipe } from './recipe.ts'
import type { Seed } from './seeds.ts'
import { allowed, type Bound, type Target } from './target.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly seeds: readonly Seed[]
  /** Recipes to be mutated from the beginning on. Default: none but those that bring something new. */
  readonly corpus?: readonly Recipe[]
  /** Whether to go on after so many generated inputs, asked between batches. */
  readonly goesOn: (runs: number) => boolean
  /** Recipes between two questions whether to go on. Default 200. */
  readonly batchRuns?: number
  /** Longest shrinking of one failure, in milliseconds. Default 20 s. */
  readonly shrinkMs?: number
  /** How many times the target's bound is allowed. Default 1; for machines that others use too. */
  readonly slack?: number
  /** Told of each recipe before its input is run, so that one that kills the process is known. */
  readonly announce?: (recipe: Recipe) => void
}

export interface Failure {
  readonly recipe: Recipe
  /** What was expected, or which bound was passed. */
  readonly reason: string
  /** The seed of the batch that found it; undefined when it is one of the stored seeds, whose name is in `reason`. */
  readonly seed: number | undefined
}

export interface FuzzReport {
  readonly target: string
  readonly runs: number
  readonly kinds: number
  /** Of one input, beside what it was allowed. */
  readonly worstCpu: { readonly cpuMs: number; readonly units: number }
  readonly worstHeapBytes: number
  /** What was held at the end more than at the beginning. Undefined where it was not measured. */
  readonly keptBytes: number | undefined
  readonly failures: readonly Failure[]
}

/** Inputs from this length on are measured with a collection before each, where the process can collect. */
const heapFromUnits = 16 * 1024
/** Recipes that are kept for mutating. */
const corpusMax = 400

class Session {
  readonly #target: Target
  readonly #options: FuzzOptions
  readonly #kinds = new Set<string>()
  readonly corpus: Recipe[]
  runs = 0
  worstCpu = { cpuMs: 0, units: 0 }
  worstHeapBytes = 0

  constructor(target: Target, options: FuzzOptions) {
    this.#target = target
    this.#options = options
    this.corpus = [...(options.corpus ?? [])]
  }

  get kinds(): number {
    return this.#kinds.size
  }

  /** Throws when the target breaks its promise or its bound. */
  async run(recipe: Recipe): Promise<void> {
    this.runs += 1
    this.#options.announce?.(recipe)
    const input = inputOf(recipe, this.#target.unitsMax)
    const bound = this.#boundFor(input)
    let kind = ''
    const act = () => {
      const answer = this.#target.run(input)
      if (typeof answer === 'string') kind = answer
      else
        return answer.then((later) => {
          kind = later
        })
      return undefined
    }
    const isHeapMeasured = input.text.length >= heapFromUnits && globalThis.gc !== undefined
    this.#note(input, await measureWithin(act, isHeapMeasured, bound), bound)
    this.#keep(kind, recipe)
  }

  #boundFor({ text }: Input): Bound {
    const { cpuMs, heapBytes } = allowed(this.#target, text.length)
    const { slack = 1 } = this.#options
    return { cpuMs: cpuMs * slack, heapBytes: heapBytes * slack }
  }

  #note({ text }: Input, cost: Cost, bound: Bound): void {
    const { cpuMs, heapBytes = 0 } = cost
    if (cpuMs > this.worstCpu.cpuMs) this.worstCpu = { cpuMs, units: text.length }
    this.worstHeapBytes = Math.max(this.worstHeapBytes, heapBytes)
    if (!isAbove(cost, bound)) return
    const wanted = `${bound.cpuMs.toFixed(0)} ms and ${(bound.heapBytes / mebi).toFixed(1)} MiB allowed`
    const got = `${cpuMs.toFixed(0)} ms of CPU and ${(heapBytes / mebi).toFixed(1)} MiB`
    throw new Error(`over its bound: ${got} for ${text.length} characters (${wanted})`)
  }

  #keep(kind: string, recipe: Recipe): void {
    if (this.#kinds.has(kind) || this.corpus.length >= corpusMax) return
    this.#kinds.add(kind)
    this.corpus.push(recipe)
  }
}

const mebi = 1024 * 1024

export async function fuzzTarget(target: Target, options: FuzzOptions): Promise<FuzzReport> {
  const session = new Session(target, options)
  const failures: Failure[] = []
  const heldBefore = heldBytes()
  for (const { name, recipe } of options.seeds) {
    const reason = await reasonOf(() => session.run(recipe))
    if (reason !== undefined) failures.push({ recipe, reason: `${name}: ${reason}`, seed: undefined })
  }
  // Seeds may be large. The short run mutates small recipes alone.
  session.corpus.length = options.corpus?.length ?? 0
  const begun = session.runs
  for (let batch = 0; options.goesOn(session.runs - begun) && failures.length === 0; batch++) {
    const failure = await runBatch(target, session, options, options.seed + batch)
    if (failure !== undefined) failures.push(failure)
  }
  const { runs, kinds, worstCpu, worstHeapBytes } = session
  session.corpus.length = 0
  const heldAfter = heldBytes()
  const keptBytes = heldBefore === undefined || heldAfter === undefined ? undefined : heldAfter - heldBefore
  return { target: target.name, runs, kinds, worstCpu, worstHeapBytes, keptBytes, failures }
}

async function runBatch(
  target: Target,
  session: Session,
  { batchRuns = 200, shrinkMs = 20_000 }: FuzzOptions,
  seed: number,
): Promise<Failure | undefined> {
  let endMs = Number.POSITIVE_INFINITY
  const property = fc.asyncProperty(recipes(target.grammar, session.corpus), async (recipe) => {
    // Past its time shrinking takes whatever is left as fine, and so ends with the smallest input that was found.
    if (performance.now() > endMs) return
    const reason = await reasonOf(() => session.run(recipe))
    if (reason === undefined) return
    if (endMs === Number.POSITIVE_INFINITY) endMs = performance.now() + shrinkMs
    throw new Error(reason)
  })
  const found = await fc.check(property, { seed, numRuns: batchRuns })
  const [recipe] = found.counterexample ?? []
  if (recipe === undefined) return undefined
  const cause = found.errorInstance
  return { recipe, reason: cause instanceof Error ? cause.message : String(cause), seed }
}

/** Undefined: it held. */
async function reasonOf(run: () => Promise<void>): Promise<string | undefined> {
  try {
    await run()
    return undefined
  } catch (error) {
    if (!(error instanceof Error)) return `threw ${typeof error}`
    const place = error.stack?.split('\n').find((line) => line.includes('    at ') && !line.includes('node_modules'))
    return `${error.name === 'Error' ? '' : `${error.name}: `}${error.message.slice(0, 1_000)}${error.message.startsWith('over ') ? '' : ` ${place?.trim() ?? ''}`}`.trim()
  }
}
