/**
 * The short run of every fuzz target: all the seeds, then a fixed number of generated inputs from a fixed seed. `npm run fuzz` makes
 * the long one. What finds the faults is tried on planted ones.
 */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { words } from './grammar/pieces.ts'
import { byteParts, bytesOf, inputOf, type Recipe } from './recipe.ts'
import { type FuzzOptions, fuzzTarget } from './run-target.ts'
import { readSeeds, seedsFolder, writeSeed } from './seeds.ts'
import { allowed, leastCpuMs, type Target } from './target.ts'
import { targets } from './targets.ts'

const shortRuns = 40
/** Other tests run on the same processors. The long run, which has them for itself, allows 1. */
const slack = 10

/** One batch of `runs`. */
const once = (runs: number): Pick<FuzzOptions, 'goesOn' | 'batchRuns'> => ({
  goesOn: (done) => done === 0,
  batchRuns: runs,
})

describe('the parsers', () => {
  test.for(targets)(
    '[FUZZ-220] keep their promises with every seed and some generated inputs: $name',
    { timeout: 120_000 },
    async (target) => {
      const report = await fuzzTarget(target, { seed: 1, seeds: readSeeds(target.name), slack, ...once(shortRuns) })
      expect(report.failures).toEqual([])
      expect(report.runs).toBeGreaterThanOrEqual(shortRuns)
      // Inputs that all come to the same prove little.
      expect(report.kinds).toBeGreaterThan(1)
    },
  )

  test('[FUZZ-221] each have a name, a bound and a folder of seeds of their own', () => {
    const names = targets.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(
      targets.every(({ unitsMax, bound }) => unitsMax > 0 && bound.cpuMs >= leastCpuMs && bound.heapBytes > 0),
    ).toBe(true)
    expect(readdirSync(seedsFolder).filter((folder) => !names.includes(folder))).toEqual([])
  })
})

describe('how faults are found', () => {
  const planted = (run: Target['run'], bound = { cpuMs: 50, heapBytes: 8 * 1024 * 1024 }): Target => ({
    name: 'planted',
    what: 'a planted fault',
    grammar: fc
      .tuple(words('a', 'b', 'c'), fc.integer({ min: 0, max: 30_000 }))
      .map(([[text], times]) => [[String(text), times]]),
    unitsMax: 32 * 1024,
    bound,
    run,
  })
  const leastBound = { cpuMs: leastCpuMs, heapBytes: 8 * 1024 * 1024 }
  const options = { seed: 1, seeds: [], ...once(300) }

  test('[FUZZ-222] an input that throws is found and made as small as it can be', async () => {
    const target = planted(({ text }) => {
      if (text.includes('bb')) throw new TypeError('two of them')
      return 'ok'
    })
    const [failure] = (await fuzzTarget(target, options)).failures
    expect(failure?.reason).toContain('TypeError: two of them')
    expect(inputOf(failure?.recipe ?? nothing, target.unitsMax).text).toBe('bb')
  })

  test('[FUZZ-223] an input that costs more CPU than its length allows is found, and one that did so once is not', {
    timeout: 60_000,
  }, async () => {
    const slow = planted(({ text }) => {
      burn(text.length > 1_000 ? 60 : 0)
      return 'ok'
    }, leastBound)
    const [failure] = (await fuzzTarget(slow, { ...options, shrinkMs: 200 })).failures
    expect(failure?.reason).toMatch(/over its bound: \d+ ms of CPU/)
    let isFirst = true
    const slowOnce = planted(() => {
      burn(isFirst ? 100 : 0)
      isFirst = false
      return 'ok'
    }, leastBound)
    expect((await fuzzTarget(slowOnce, { ...options, ...once(5) })).failures).toEqual([])
  })

  test('[FUZZ-224] what arrives in parts is all that arrived, and text can stand for bytes that are no UTF-8', () => {
    const bytes = bytesOf('a\udcff\udce2é\u{1f600}')
    expect(bytes.toString('hex')).toBe('61ffe2c3a9f09f9880')
    const parts = [...byteParts(bytes, [1, 3])]
    expect(parts.map(({ length }) => length)).toEqual([1, 3, 1, 3, 1])
    expect(Buffer.concat(parts)).toEqual(bytes)
  })

  test('[FUZZ-225] a found input is kept as a small file, and is run again', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-seeds-'))
    const recipe: Recipe = { pieces: ['{', ['"k%d":[],', 90_000], '"end":0}'], steps: [], cuts: [] }
    writeSeed('planted', recipe, folder)
    const seeds = readSeeds('planted', folder)
    expect(seeds.map((seed) => seed.recipe)).toEqual([recipe])
    const seen: number[] = []
    const target = planted(({ text }) => {
      seen.push(text.length)
      throw new Error('again')
    })
    const { failures } = await fuzzTarget(target, { ...options, seeds })
    expect(failures.map(({ reason }) => reason)).toEqual([expect.stringContaining(`${seeds[0]?.name}: again`)])
    expect(seen[0]).toBeGreaterThan(20_000)
  })

  test('[FUZZ-227] the long run reports every target, stores what broke one, stops what never ends, and fails', {
    timeout: 120_000,
  }, async () => {
    const seeds = mkdtempSync(path.join(tmpdir(), 'sluice-seeds-'))
    const planted = path.join(import.meta.dirname, 'planted-targets.ts')
    const long = (...args: readonly string[]) =>
      runMain(['--targets', planted, '--seeds', seeds, '--minutes', '0.05', '--seed', '1', '--hang', '5', ...args])
    const broken = await long()
    expect(broken.code).toBe(1)
    for (const name of ['sound', 'throwing', 'endless'])
      expect(broken.output).toMatch(new RegExp(`^${name} +\\d+ inputs`, 'm'))
    expect(broken.output).toMatch(/FAILED throwing with --seed \d+: TypeError: a b/)
    expect(broken.output).toMatch(/FAILED endless with --seed 1: did not end within 5 s/)
    expect(readdirSync(seeds).sort()).toEqual(['endless', 'throwing'])
    expect(readSeeds('endless', seeds).map(({ recipe }) => inputOf(recipe, 1_024).text[0])).toEqual(['c'])
    expect((await long('--only', 'sound')).code).toBe(0)
    expect((await long('--only', 'none')).code).toBe(2)
  })

  test('[FUZZ-226] an input is allowed CPU and memory by its length, up to the target’s bound', () => {
    const target = planted(() => 'ok', { cpuMs: 100, heapBytes: 40 * 1024 * 1024 })
    expect(allowed(target, 0)).toEqual({ cpuMs: 40, heapBytes: 8 * 1024 * 1024 })
    expect(allowed(target, 16 * 1024)).toEqual({ cpuMs: 70, heapBytes: 24 * 1024 * 1024 })
    expect(allowed(target, 64 * 1024)).toEqual({ cpuMs: 100, heapBytes: 40 * 1024 * 1024 })
  })
})

function runMain(args: readonly string[]): Promise<{ readonly code: unknown; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [path.join(import.meta.dirname, 'main.ts'), ...args], (error, stdout) =>
      resolve({ code: error?.code ?? 0, output: stdout }),
    )
  })
}

/** Uses the processor for so long, in milliseconds. */
function burn(cpuMs: number): void {
  const beganUs = process.cpuUsage()
  while (process.cpuUsage(beganUs).user < cpuMs * 1_000);
}

const nothing: Recipe = { pieces: [], steps: [], cuts: [] }
