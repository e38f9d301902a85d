import { describe, expect, test } from 'vitest'
import { Histories } from './histories.ts'
import { plans } from './plan.ts'
import { planted } from './plants.ts'

const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
const share = Number(process.env.SLUICE_TEST_PLANTED ?? 1)

describe(`faults that are planted, seed ${seed}`, { timeout: 3_600_000 }, () => {
  test.each(planted)('[SIM-2] $hole: $name is found', async ({ plan, plant, within }) => {
    await using histories = await Histories.start(plant)
    for (let index = 0; index < within * share; index += 1) {
      const wrong = await histories.run(seed + index, plans[plan])
      if (wrong.length > 0) {
        process.stdout.write(`${index + 1}\n`)
        return
      }
    }
    expect.fail(`not found in ${within} histories: ${JSON.stringify([...histories.counts])}`)
  })
})
