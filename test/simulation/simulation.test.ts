import { describe, expect, test } from 'vitest'
import { Histories } from './histories.ts'
import { type PlanName, plans } from './plan.ts'

const names = Object.keys(plans) as PlanName[]
const eachCount = Number(process.env.SLUICE_TEST_HISTORIES ?? 6)
const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))

describe(`two nodes over one Redis, seed ${seed}`, { timeout: 3_600_000 }, () => {
  test.each(names)('[SIM-1] whatever fails and comes back, every history is as it should be: %s', async (name) => {
    await using histories = await Histories.start()
    const wrong: string[] = []
    for (let index = 0; index < eachCount; index += 1) {
      const faults = await histories.run(seed + index, plans[name])
      if (faults.length > 0) wrong.push(`seed ${seed + index}: ${faults.join('\n')}`)
    }
    expect(wrong, JSON.stringify([...histories.counts])).toEqual([])
  })
})
