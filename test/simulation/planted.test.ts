import { describe, expect, test } from 'vitest'
import { Histories } from './histories.ts'
import { plans } from './plan.ts'
import { planted } from './plants.ts'

const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
const isLong = process.env.SLUICE_TEST_PLANTED === 'all'
/** Most are found in one of ten; so many in vain mean that the checker does not see it. */
const historiesMax = isLong ? 5_000 : Number(process.env.SLUICE_TEST_MAX ?? 120)

describe(`faults that are planted, seed ${seed}`, { timeout: 3_600_000 }, () => {
  const looked = planted.filter(({ isRare }) => isLong || !isRare)
  test.each(looked)('[SIM-2] $hole: $name is found', async ({ plan, plant, name }) => {
    await using histories = await Histories.start(plant)
    for (let index = 0; index < historiesMax; index += 1) {
      const wrong = await histories.run(seed + index, plans[plan])
      if (wrong.length === 0) continue
      if (isLong) process.stdout.write(`${name}: in history ${index + 1}, ${wrong[0]?.split('\n', 1)[0]}\n`)
      return
    }
    expect.fail(`not found in ${historiesMax} histories: ${JSON.stringify([...histories.counts])}`)
  })
})
