import { describe, expect, test } from 'vitest'
import { changeOf, compareFigures, compareMeasures, differingOptions } from '../../load/tester/report/compare.ts'
import { formatMs, formatShare, printable } from '../../load/tester/report/figures.ts'
import { textReport } from '../../load/tester/report/text.ts'
import { textComparison } from '../../load/tester/report/text-comparison.ts'
import { verdictOf } from '../../load/tester/report/verdict.ts'
import { measures, runResult } from '../../load/tester/result.ts'
import { emptyRun, measuredOf, sampleRun } from './sample-run.ts'

const faults = [{ check: 'sha256', count: 3, examples: ['session ab\u001b[2Jcd'] }]

describe('the report of a run', () => {
  test('[REPORT-5] shows each measure with its formula, and its percentiles', () => {
    const run = runResult.parse(sampleRun({ seconds: 20 }))
    const report = textReport(run)
    for (const { name, formula } of Object.values(measures)) {
      expect(report).toMatch(new RegExp(`^  ${name} .*ms|^  ${name} .* s`, 'm'))
      expect(report).toContain(`= ${formula}`)
    }
    expect(report).toContain(formatMs(run.measures.ttft?.p999Ms ?? Number.NaN))
    expect(report).toContain(`Goodput  ${formatShare(run.goodput.share)}`)
    expect(report).toContain('Driver     not the limit')
  })

  test('[REPORT-5] begins with wrong answers', () => {
    const [line, title, , check, example] = textReport(sampleRun({ faults })).split('\n')
    expect([line, title]).toEqual(['!'.repeat(23), '!!! 3 WRONG ANSWERS !!!'])
    expect([check, example]).toEqual(['  sha256: 3', '    e.g. session ab·[2Jcd'])
  })

  test('[REPORT-5] says when the tester was the limit, and why', () => {
    const report = textReport(
      sampleRun({ seconds: 5, driver: { isLimit: true, why: 'worker 2 took 99 % of a processor' } }),
    )
    expect(report).toContain('THE TESTER ITSELF WAS THE LIMIT, not the server: worker 2 took 99 % of a processor')
  })

  test('[REPORT-10] of nothing says so', () => {
    const report = textReport(runResult.parse(emptyRun()))
    expect(report).toContain('Nothing was measured.')
    expect(report).not.toMatch(/NaN|Infinity|undefined/)
  })

  test('[REPORT-9] has no control characters from outside', () => {
    const name = 'a\u001b]0;title\u0007b\u202ec\r\nd\u009b2J'
    const run = { ...sampleRun({ seconds: 5, driver: { isLimit: true, why: name } }), name, refusals: { [name]: 1 } }
    const hostile = { ...run, options: { [name]: name }, faults: [{ check: name, count: 1, examples: [name] }] }
    const lines = [textReport(hostile), textComparison(run, hostile)].join('').split('\n')
    expect(lines.filter((line) => printable(line) !== line)).toEqual([])
    expect(printable(name)).toBe('a·]0;title·b·c··d·2J')
  })
})

describe('the exit code', () => {
  const met = sampleRun({ seconds: 5, slos: ['e2e<10m', 'gap<1m'] })

  test.each([
    ['all met', met, 0, 'all 2 SLOs were met'],
    ['none given', { ...met, slos: [] }, 0, 'no wrong answer; no SLO was given'],
    ['one missed', sampleRun({ seconds: 5, slos: ['e2e<10m', 'ttft<1us'] }), 1, '1 of 2 SLOs was missed'],
    ['the only one missed', sampleRun({ seconds: 5, slos: ['ttft<1us'] }), 1, 'the SLO was missed'],
    ['wrong answers', { ...met, faults }, 3, '3 wrong answers'],
    ['nothing answered', emptyRun(), 1, 'no question was answered'],
  ])('[REPORT-4] %s', (_, run, exitCode, reason) => {
    expect(verdictOf(run)).toEqual({ exitCode, reason })
    expect(textReport(run)).toMatch(new RegExp(`Exit code ${exitCode}: ${reason}\\.\\n$`))
  })
})

describe('the comparison of two runs', () => {
  const times = { ratio: 0.05, difference: 0.1 }

  test.each([
    [100, 80, 'lower', 0.8, 'better'],
    [100, 120, 'lower', 1.2, 'worse'],
    [100, 120, 'higher', 1.2, 'better'],
    [100, 104, 'lower', 1.04, 'same'],
    [0.1, 0.15, 'lower', 1.5, 'same'],
    [0, 5, 'lower', undefined, 'worse'],
    [0, 0, 'lower', undefined, 'same'],
    [100, 500, 'neither', 5, 'same'],
  ] as const)('[REPORT-6] from %d to %d, where %s is better', (before, after, direction, ratio, verdict) => {
    const change = changeOf(before, after, direction, times)
    expect(change.verdict).toBe(verdict)
    if (ratio === undefined) expect(change.ratio).toBeUndefined()
    else expect(change.ratio).toBeCloseTo(ratio, 10)
  })

  test('[REPORT-6] holds each measure that both have against the other', () => {
    const before = { ...emptyRun(), measures: { ttft: measuredOf([100, 100]), gap: measuredOf([5]) } }
    const after = { ...emptyRun(), measures: { ttft: measuredOf([200, 200]), resume: measuredOf([5]) } }
    const [ttft, ...rest] = compareMeasures(before, after)
    expect(rest).toEqual([])
    expect(ttft?.measure).toBe('ttft')
    expect(ttft?.statistics.get('meanMs')).toMatchObject({
      before: 100,
      after: 200,
      difference: 100,
      ratio: 2,
      verdict: 'worse',
    })
    expect(ttft?.statistics.get('maxMs')?.verdict).toBe('same')
  })

  test('[REPORT-6] counts one wrong answer as worse, and a point of goodput', () => {
    const before = sampleRun({ seconds: 10 })
    const goodput = { ...before.goodput, share: before.goodput.share - 0.011 }
    const after = { ...before, goodput, faults: [{ check: 'order', count: 1, examples: [] }] }
    const worse = compareFigures(before, after).filter(({ change }) => change.verdict !== 'same')
    expect(worse.map(({ name, change }) => [name, change.verdict])).toEqual([
      ['Goodput', 'worse'],
      ['Wrong answers', 'worse'],
    ])
  })

  test('[REPORT-6] says ratio, difference and threshold, and what was asked differently', () => {
    const before = sampleRun({ seconds: 20, name: 'main' })
    const after = sampleRun({ seconds: 20, name: 'branch', slowness: 2, questionsPerSecond: 80 })
    expect(differingOptions(before, after)).toEqual([{ name: 'rate', before: '40', after: '80' }])
    const text = textComparison(before, after)
    expect(text).toContain('Before: main, ')
    expect(text).toContain('  rate: 40 → 80')
    expect(text).toMatch(/p50 +2\d\d ms +5\d\d ms +×(1\.9|2\.0)\d +\+2\d\d ms +WORSE/)
    expect(text).toContain('A change of less than 5 % counts as none')
  })
})
