import { expect, test } from 'vitest'
import type { LaneName } from '../../load/bench/lanes.ts'
import { pageOf } from '../../load/bench/page.ts'
import type { LaneRound, TokenBenchResult } from '../../load/bench/token.ts'
import { tokenReport } from '../../load/bench/token-report.ts'

const round: LaneRound = {
  tokenCount: 1_000,
  tokenP50Ms: 1,
  tokenP99Ms: 4,
  firstP50Ms: 2,
  firstP99Ms: 8,
  framesPerToken: 1.5,
  bytesPerToken: 100,
  othersShare: 0.25,
}

function row(name: LaneName, rounds: readonly Partial<LaneRound>[]): TokenBenchResult['rows'][number] {
  return { name, title: name, rounds: rounds.map((own) => ({ ...round, ...own })) }
}

function resultOf(rows: TokenBenchResult['rows']): TokenBenchResult {
  return { machine: 'one', streamCount: 1, tokensPerSecond: 1, tokensEach: 1_000, rows }
}

/** The cells of the lines that begin with the name, by table. */
function cellsOf(report: string, name: string): string[][] {
  const lines = report.split('\n').filter((line) => line.startsWith(name))
  return lines.map((line) => line.split(/ {2,}/))
}

const compared = resultOf([
  row('relay', [{ cpuUsPerToken: 40 }, { cpuUsPerToken: 60 }, { cpuUsPerToken: 50 }]),
  row('sluice-redis-ws', [
    { cpuUsPerToken: 30, redisCpuUsPerToken: 9, residentBytes: 100 * 1024 * 1024, tokenP50Ms: 0.5, firstP99Ms: 9 },
    { cpuUsPerToken: 20, redisCpuUsPerToken: 7, residentBytes: 300 * 1024 * 1024, tokenP50Ms: 0.7, firstP99Ms: 7 },
    { cpuUsPerToken: 40, redisCpuUsPerToken: 8, residentBytes: 200 * 1024 * 1024, tokenP50Ms: 0.6, firstP99Ms: 8.5 },
  ]),
  row('provider', [{}, {}, {}]),
])

test('[BENCH-4] median, least and most, and the ratio of the medians to the relay', () => {
  const [cost, latency] = cellsOf(tokenReport(compared), 'sluice-redis-ws')
  expect(cost?.slice(1, 5)).toEqual(['30.0 (20.0–40.0)', '0.60', '8.0 (7.0–9.0)', '200 (100–300)'])
  expect(cost?.slice(5)).toEqual(['1.500 (1.500–1.500)', '100.0 (100.0–100.0)', '0.25 (0.25–0.25)'])
  expect(latency?.slice(1, 5)).toEqual(['0.60 (0.50–0.70)', '0.60', '4.00 (4.00–4.00)', '1.00'])
})

test('[BENCH-4] the first token beside the provider', () => {
  const [, latency] = cellsOf(tokenReport(compared), 'sluice-redis-ws')
  expect(latency?.slice(5)).toEqual(['2.00 (2.00–2.00)', '0.00', '8.50 (7.00–9.00)', '0.50'])
})

test('[BENCH-4] a server without a process of its own has no CPU and no memory, and without a relay there is no ratio', () => {
  const [cost] = cellsOf(tokenReport(compared), 'provider')
  expect(cost?.slice(1, 5)).toEqual(['–', '–', '–', '–'])
  const alone = resultOf([row('portkey', [{ cpuUsPerToken: 50 }])])
  const [, latency] = cellsOf(tokenReport(alone), 'portkey')
  expect(latency?.slice(1)).toEqual([
    '1.00 (1.00–1.00)',
    '–',
    '4.00 (4.00–4.00)',
    '–',
    '2.00 (2.00–2.00)',
    '–',
    '8.00 (8.00–8.00)',
    '–',
  ])
})

test('[BENCH-246] the page has a report in Markdown as it is, and any other as text', () => {
  const report = {
    name: 'a',
    what: 'cost of it: --a',
    command: 'bench a',
    machine: 'one',
    at: '2026-01-02T03:04',
    text: '| a |',
  }
  expect(pageOf([report])).toMatch(/## Cost of it\n\n`bench a`, 2026-01-02, one\n\n```text\n\| a \|\n```$/)
  expect(pageOf([{ ...report, isMarkdown: true }])).toMatch(/one\n\n\| a \|$/)
})
