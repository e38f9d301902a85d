import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readDistribution } from '../../load/tester/distribution.ts'
import { type AnswerTimes, judgeSlos, keepsSlos, parseSlo } from '../../load/tester/slo.ts'
import { measuredOf } from './sample-run.ts'

describe('the text of an SLO', () => {
  test.each([
    ['ttft<500ms@99%', 'ttft', 500, 0.99],
    ['gap<=200ms@p99', 'gap', 200, 0.99],
    ['e2e<30s', 'e2e', 30_000, 0.99],
    ['e2e < 1.5m @ 90 %', 'e2e', 90_000, 0.9],
    ['open<250us@p50', 'open', 0.25, 0.5],
    ['tpot<40ms@p99.9', 'tpot', 40, 0.999],
    ['resume<1s@100%', 'resume', 1000, 1],
  ])('[REPORT-1] %s is read', (text, measure, limitMs, wanted) => {
    expect(parseSlo(text)).toEqual({ text, measure, limitMs, wanted })
  })

  test.each([
    ['', '"" is no measure'],
    ['speed<500ms', '"speed" is no measure, there are connect, open'],
    ['constructor<500ms', '"constructor" is no measure'],
    ['ttft', 'after the measure comes < or <='],
    ['ttft>500ms', 'after the measure comes < or <='],
    ['ttft=500ms', 'after the measure comes < or <='],
    ['ttft<500', '"500" is no time above 0 with its unit (us, ms, s, m)'],
    ['ttft<500 parsecs', '"500 parsecs" is no time'],
    ['ttft<1constructor', '"1constructor" is no time'],
    ['ttft<0ms', '"0ms" is no time above 0'],
    ['ttft<-1ms', '"-1ms" is no time above 0'],
    ['ttft<', '"" is no time'],
    ['ttft<500ms@', '"" is no share'],
    ['ttft<500ms@99', '"99" is no share above 0 and up to 100 (99%, p99)'],
    ['ttft<500ms@0%', '"0%" is no share'],
    ['ttft<500ms@p999', '"p999" is no share'],
    ['ttft<500ms@p99@p90', '"p99@p90" is no share'],
  ])('[REPORT-1] "%s" is refused', (text, reason) => {
    expect(() => parseSlo(text)).toThrow(reason)
    expect(() => parseSlo(text)).toThrow('for example ttft<500ms@99%')
  })
})

describe('the judgement of a run', () => {
  const values = (fast: number, slow: number) => [
    ...Array.from({ length: fast }, () => 100),
    ...Array.from({ length: slow }, () => 900),
  ]

  test.each([
    [990, 10, 0.99, true],
    [989, 11, 0.989, false],
    [1, 0, 1, true],
    [0, 1, 0, false],
  ])('[REPORT-2] %i within and %i over the limit', (fast, slow, reached, isMet) => {
    const judged = judgeSlos([parseSlo('ttft<500ms@99%')], { ttft: measuredOf(values(fast, slow)) })
    expect(judged).toEqual([{ text: 'ttft<500ms@99%', reached, wanted: 0.99, isMet }])
  })

  test('[REPORT-2] 999 of 1,000 are 99.9 %', () => {
    const [judged] = judgeSlos([parseSlo('e2e<500ms@99.9%')], { e2e: measuredOf(values(999, 1)) })
    expect(judged).toMatchObject({ reached: 0.999, isMet: true })
  })

  test('[REPORT-2] every value counts, the limit itself as within', () => {
    // Up to 2,047 µs a histogram of three digits tells every microsecond apart.
    const microseconds = fc.array(fc.integer({ min: 0, max: 2047 }), { minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(microseconds, fc.integer({ min: 1, max: 2047 }), (all, limit) => {
        const judged = judgeSlos([parseSlo(`gap<${limit}us`)], { gap: measuredOf(all.map((us) => us / 1000)) })
        expect(judged[0]?.reached).toBe(all.filter((us) => us <= limit).length / all.length)
      }),
      { numRuns: 60 },
    )
  })

  test('[REPORT-2] what was not measured is not met', () => {
    expect(judgeSlos([parseSlo('resume<1s')], {})).toMatchObject([{ reached: 0, isMet: false }])
    expect(judgeSlos([parseSlo('resume<1s')], { resume: measuredOf([]) })).toMatchObject([{ reached: 0, isMet: false }])
  })

  test('[REPORT-2] a histogram that is none is refused', () => {
    expect(() => readDistribution('bm9uZQ==')).toThrow('unable to read a histogram')
  })
})

describe('the judgement of one answer', () => {
  const slos = ['ttft<500ms', 'gap<200ms', 'tpot<40ms', 'e2e<30s', 'connect<1ms', 'resume<1ms'].map(parseSlo)
  const good = { ttftMs: 500, gapMs: 200, tpotMs: 40, e2eMs: 30_000 }

  test.each<[string, boolean, AnswerTimes]>([
    ['all at their limits', true, good],
    ['a late first token', false, { ...good, ttftMs: 501 }],
    ['one long gap', false, { ...good, gapMs: 201 }],
    ['slow tokens', false, { ...good, tpotMs: 41 }],
    ['a late end', false, { ...good, e2eMs: 30_001 }],
    ['one delta alone', true, { ttftMs: 1, e2eMs: 1 }],
    ['no text', false, { e2eMs: 1 }],
    ['no end', false, { ttftMs: 1 }],
  ])('[REPORT-3] %s: %s', (_, isKept, answer) => {
    expect(keepsSlos(slos, answer)).toBe(isKept)
  })

  test('[REPORT-3] without SLOs every answer keeps them', () => {
    expect(keepsSlos([], {})).toBe(true)
  })
})
