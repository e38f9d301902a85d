/** One target in a process of its own, so that an input which never ends or takes all memory ends no more than that. */
import { ftruncateSync, openSync, writeSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import type { Recipe } from './recipe.ts'
import { fuzzTarget } from './run-target.ts'
import { readSeeds } from './seeds.ts'
import type { Target } from './target.ts'

const [name = '', seed = '1', budgetMs = '1000', currentFile = '', targetsFile = '', seedsFolder = ''] =
  process.argv.slice(2)
const { targets }: { targets: readonly Target[] } = await import(targetsFile)
const target = targets.find((one) => one.name === name)
if (target === undefined || process.send === undefined) throw new Error(`unable to fuzz "${name}" from here`)

const current = openSync(currentFile, 'w')
let lastBytes = 0

/** Written before the input is run: it is all that is left when the input ends this process. */
function announce(recipe: Recipe): void {
  const line = Buffer.from(`${JSON.stringify(recipe)}\n`)
  writeSync(current, line, 0, line.length, 0)
  if (line.length < lastBytes) ftruncateSync(current, line.length)
  lastBytes = line.length
}

const endMs = performance.now() + Number(budgetMs)
const seeds = readSeeds(name, seedsFolder)
const report = await fuzzTarget(target, {
  seed: Number(seed),
  seeds,
  corpus: seeds.map(({ recipe }) => recipe),
  goesOn: (runs) => {
    process.send?.({ runs })
    return performance.now() < endMs
  },
  announce,
})
process.send({ report })
// The message goes out before the process ends.
await setImmediate()
process.disconnect()
process.exit(0)
