import { describe, expect, test } from 'vitest'
import { Histories } from './histories.ts'
import { plans } from './plan.ts'
import { planted } from './plants.ts'

const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
const isLong = process.env.SLUICE_TEST_PLANTED === 'all'
/**
 * Of 50 to 60 histories of each, the one seen least was seen in 12, so at worst (95 %) in one of nine: that many in vain
 * come by chance with (1 - 0.11)^150 < 1e-7. Finding early costs nothing, so the bound is for the failing case alone.
 */
const historiesMax = isLong ? 5_000 : Number(process.env.SLUICE_TEST_MAX ?? 150)

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
    const counts = [...histories.counts].map(([what, count]) => `${what} ${count}`).join(', ')
    expect.fail(`not found in ${historiesMax} histories from seed ${seed}: ${name} (plan ${plan}; ${counts})`)
  })
})
