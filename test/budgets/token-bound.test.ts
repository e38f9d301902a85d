import { describe, expect, test } from 'vitest'
import { boundTokens, tokensOfWeight, tokenWeight } from '../../orchestrator/token-bound.ts'
import { estimateTokens } from '../../orchestrator/token-estimate.ts'
import { tokenCounts } from './token-counts.ts'
import { denseTexts, markup, prose } from './token-texts.ts'

const texts = Object.entries({ ...prose, ...markup, ...denseTexts() })

function countOf(name: string): number {
  const counts = tokenCounts[name]
  if (counts === undefined) throw new Error(`${name} was not counted`)
  return Math.max(...counts)
}

describe('the bound of a text', () => {
  test.each(texts)('[BUDGET-140] is not under its tokens by o200k or cl100k: %s', (name, text) => {
    expect(boundTokens(text)).toBeGreaterThanOrEqual(countOf(name))
  })

  test.each(texts)('[BUDGET-140] is not under them either when the text comes in pieces: %s', (name, text) => {
    const characters = [...text]
    for (const size of [1, 3, 7]) {
      let weight = 0
      for (let at = 0; at < characters.length; at += size)
        weight += tokenWeight(characters.slice(at, at + size).join(''))
      expect(tokensOfWeight(weight)).toBeGreaterThanOrEqual(countOf(name))
    }
  })

  test.each(Object.entries({ ...prose, ...markup }))(
    '[BUDGET-141] is at most about twice its tokens for ordinary text: %s',
    (name, text) => {
      expect(boundTokens(text) / countOf(name)).toBeLessThan(2.5)
    },
  )

  test('[BUDGET-141] takes about the time that it takes to look at each character once', () => {
    const longest = texts.map(([, text]) => text.repeat(Math.ceil(65_536 / text.length)).slice(0, 65_536))
    for (const text of longest) tokenWeight(text)
    const { user, system } = process.cpuUsage()
    for (const text of longest) tokenWeight(text)
    const spent = process.cpuUsage({ user, system })
    // Measured: 0.4 ms for 64 KiB.
    expect((spent.user + spent.system) / 1_000 / longest.length).toBeLessThan(10)
  })
})

test('[BUDGET-140] an estimate by bytes is under the tokens of dense texts by up to four times, so no limit counts by it', () => {
  const factors = texts.map(([name, text]) => countOf(name) / estimateTokens(text))
  expect(Math.max(...factors)).toBeGreaterThan(3.5)
})
