import { expect, test } from 'vitest'
import { SubjectRate } from '../../gateway/subject-rate.ts'

const identity = (subject: string, tenant = 'default') => ({
  subject,
  tenant,
  scopes: new Set<never>(),
  expiresAtMs: 1,
})

test('[CONN-128] each subject of each tenant has a rate of its own, and what is refused is not charged', () => {
  const rate = new SubjectRate(10, () => 1)
  expect(rate.take(identity('ann'), 10, 0)).toBe(0)
  for (let n = 0; n < 50; n++) expect(rate.take(identity('ann'), 1, 0)).toBe(100)
  expect(rate.take(identity('ann', 'other'), 10, 0)).toBe(0)
  expect(rate.take(identity('bob'), 10, 0)).toBe(0)
  expect(rate.take(identity('ann'), 1, 100)).toBe(0)
})

test('[CONN-128] what costs more than a second allows passes and is owed, as is work done already, but no more than a second', () => {
  const rate = new SubjectRate(10, () => 1)
  expect(rate.take(identity('ann'), 64, 0)).toBe(0)
  expect(rate.take(identity('ann'), 64, 0)).toBe(100)
  expect(rate.take(identity('ann'), 64, 100)).toBe(0)
  expect(rate.take(identity('ann'), 64, 100)).toBe(1_000)
  for (let n = 0; n < 9; n++) rate.charge(identity('ann'), 1_000, 2_000)
  expect(rate.take(identity('ann'), 1, 2_000)).toBe(1_100)
})

test('[CONN-128] the subjects remembered are bounded: the least recently seen is forgotten', () => {
  const rate = new SubjectRate(1, () => 1)
  for (let n = 0; n <= 50_000; n++) rate.take(identity(`s${n}`), 1, 0)
  expect(rate.take(identity('s0'), 1, 0)).toBe(0)
  expect(rate.take(identity('s50000'), 1, 0)).toBe(1_000)
})
