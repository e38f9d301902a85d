import { afterAll, describe, expect, test } from 'vitest'
import { Histories } from './histories.ts'
import { type PlanName, plans } from './plan.ts'

/** In `npm test` a few of each plan; `npm run simulate` makes many. */
const names = Object.keys(plans) as PlanName[]
const eachCount = Number(process.env.SLUICE_TEST_HISTORIES ?? 6)
const seed = Number(process.env.SLUICE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
const progressEvery = 25

describe(`two nodes over one Redis, seed ${seed}`, { timeout: 3_600_000 }, () => {
  const met = new Map<string, number>()

  test.each(names)('[SIM-1] whatever fails and comes back, every history is as it should be: %s', async (name) => {
    await using histories = await Histories.start()
    const wrong: string[] = []
    for (let index = 0; index < eachCount; index += 1) {
      const faults = await histories.run(seed + index, plans[name])
      if (faults.length > 0) wrong.push(`seed ${seed + index}: ${faults.join('\n')}`)
      if ((index + 1) % progressEvery === 0) process.stdout.write(`${name}: ${index + 1} of ${eachCount}\n`)
    }
    for (const [what, count] of histories.counts) met.set(what, (met.get(what) ?? 0) + count)
    expect(wrong, JSON.stringify([...histories.counts])).toEqual([])
  })

  test('[SIM-3] the histories were not trivial', () => {
    const few = ['histories', 'kills', 'pauses', 'outages', 'roll-backs', 'broken links', 'sent twice', 'reconnects']
    expect(
      few.filter((what) => !met.has(what)),
      JSON.stringify([...met]),
    ).toEqual([])
  })

  afterAll(() => {
    if (eachCount > progressEvery)
      process.stdout.write(`${[...met].map(([what, count]) => `${what} ${count}`).join(', ')}\n`)
  })
})
