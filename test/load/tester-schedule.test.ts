import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Gathering } from '../../load/tester/gathering.ts'
import { Measures } from '../../load/tester/measures.ts'
import type { RunPlan } from '../../load/tester/plan.ts'
import { seeded } from '../../load/tester/random.ts'
import type { SeriesPoint } from '../../load/tester/result.ts'
import { plannedSessions, ramped } from '../../load/tester/schedule.ts'
import { whyLimit } from '../../load/tester/self-watch.ts'
import { surveySource } from '../../load/tester/survey.ts'
import { Tally } from '../../load/tester/tally.ts'
import { planOf } from './tester-plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-schedule-'))
afterAll(() => rmSync(folder, { recursive: true }))

const url = 'ws://127.0.0.1:9/v1/socket'

function traceOf(atSeconds: readonly number[]): Partial<RunPlan> {
  const file = join(folder, 'trace.csv')
  const day = Date.UTC(2023, 10, 16)
  const rows = atSeconds.map((at) => {
    return `${new Date(day + 1_000 * at).toISOString().replace('T', ' ').replace('Z', '')},10,5`
  })
  writeFileSync(file, ['TIMESTAMP,ContextTokens,GeneratedTokens', ...rows].join('\n'))
  return { source: 'azure', file, arrivals: 'open' }
}

async function sessionsOf(plan: RunPlan, most = Number.POSITIVE_INFINITY) {
  const sessions = []
  for await (const session of plannedSessions(plan, { cutCount: 0 })) {
    if (sessions.length >= most) break
    sessions.push(session)
  }
  return sessions
}

test('[LOAD-4] a question is due at its time by the trace, divided by the speed, up to the duration', async () => {
  const trace = traceOf([0, 1, 2, 8, 9])
  const due = async (plan: Partial<RunPlan>) =>
    (await sessionsOf(planOf(url, { ...trace, ...plan }))).map(({ dueMs, questions: [question] }) => {
      expect(question?.dueMs).toBe(dueMs)
      return dueMs
    })
  expect(await due({})).toEqual([0, 1_000, 2_000, 8_000, 9_000])
  expect(await due({ speed: 4 })).toEqual([0, 250, 500, 2_000, 2_250])
  expect(await due({ speed: 4, durationMs: 2_000 })).toEqual([0, 250, 500])
  expect(await due({ sessions: 2 })).toEqual([0, 1_000])
  expect(await surveySource(planOf(url, { ...trace, speed: 4 }))).toMatchObject({ sessionCount: 5, lastDueMs: 2_250 })
})

test('[LOAD-4] within a ramp arrivals become more, and none is left out', () => {
  const even = Array.from({ length: 101 }, (_, index) => index * 10)
  const due = even.map((atMs) => ramped(atMs, 1_000))
  // Half as many within the ramp as without it, a quarter of those in its first half.
  expect(due.filter((atMs) => atMs < 1_000)).toHaveLength(50)
  expect(due.filter((atMs) => atMs < 500)).toHaveLength(13)
  expect(due.at(-1)).toBe(1_500)
  expect(due).toEqual([...due].sort((one, other) => one - other))
  expect(even.map((atMs) => ramped(atMs, 0))).toEqual(even)
})

test('[LOAD-4] arrivals by chance have the rate that was asked for, and are the same for the same seed', async () => {
  const plan = planOf(url, { arrivals: 'open', ratePerSecond: 50 })
  const sessions = await sessionsOf(plan, 2_000)
  const seconds = (sessions.at(-1)?.dueMs ?? 0) / 1_000
  expect(sessions.length / seconds).toBeGreaterThan(45)
  expect(sessions.length / seconds).toBeLessThan(55)
  expect(await sessionsOf(plan, 20)).toEqual(sessions.slice(0, 20))
  expect(await sessionsOf({ ...plan, seed: 2 }, 20)).not.toEqual(sessions.slice(0, 20))
})

test('[LOAD-4] a closed loop with a duration reads its file again and again, numbering on', async () => {
  const { file } = traceOf([0, 1])
  const plan = planOf(url, { source: 'azure', ...(file && { file }), durationMs: 1_000 })
  expect((await sessionsOf(plan, 5)).map(({ n, dueMs }) => [n, dueMs])).toEqual(
    [0, 1, 2, 3, 4].map((n) => [n, undefined]),
  )
  const { durationMs: _, ...once } = plan
  expect(await sessionsOf(once)).toHaveLength(2)
})

test('[LOAD-6] what three workers measured comes to the percentiles of all values', () => {
  const random = seeded(7)
  const values = Array.from({ length: 3_000 }, () => 1 + 400 * random() ** 3)
  const workers = [new Tally(), new Tally(), new Tally()]
  const closed: SeriesPoint[] = []
  const plan = planOf(url, { workers: 3 })
  const gathering = new Gathering(plan, (point) => closed.push(point))
  for (const index of [0, 1]) {
    for (const [worker, tally] of workers.entries()) {
      expect(closed).toHaveLength(index)
      for (const [n, value] of values.entries()) {
        if (n % 3 !== worker || n % 2 !== index) continue
        tally.measures.record('ttft', value)
        tally.count('questions')
        tally.count('completed')
        tally.count('kept')
      }
      gathering.add(worker, tally.take(index))
    }
  }
  for (const worker of [0, 1, 2]) gathering.over(worker, { loopDelayP99Ms: worker, cpuShare: 0.1, isFull: false })
  const run = { name: 'test', startedMs: 0, durationMs: 2_000, stoppedBy: 'end', options: {} } as const
  const { counts, measures, series, goodput, driver } = gathering.result(run, plan)
  const alone = new Measures()
  for (const value of values) alone.record('ttft', value)
  // The greatest value travels as its step of the histogram, of which there are more than a thousand to each doubling.
  const { maxMs: greatestMs = 0, ...others } = alone.measured().ttft ?? {}
  expect(measures.ttft).toMatchObject(others)
  expect(Math.abs((measures.ttft?.maxMs ?? 0) / greatestMs - 1)).toBeLessThan(0.001)
  const sorted = [...values].sort((one, other) => one - other)
  const { p50Ms = 0, p99Ms = 0, count } = measures.ttft ?? {}
  expect(count).toBe(3_000)
  // Three digits: half a percent at most.
  expect(Math.abs(p50Ms / (sorted[1_499] ?? 0) - 1)).toBeLessThan(0.005)
  expect(Math.abs(p99Ms / (sorted[2_969] ?? 0) - 1)).toBeLessThan(0.005)
  expect(counts).toMatchObject({ questions: 3_000, completed: 3_000, unfinished: 0 })
  expect(series.points.map(({ questions }) => questions)).toEqual([1_500, 1_500])
  expect(goodput).toEqual({ share: 1, perSecond: 1_500 })
  expect(driver).toMatchObject({ loopDelayP99Ms: 2, isLimit: false, why: '' })
})

test('[LOAD-6] a driver that was the limit is named, with why', () => {
  const fine = { loopDelayP99Ms: 3, cpuShare: 0.5, isFull: false }
  expect(whyLimit([fine, fine])).toBe('')
  expect(whyLimit([fine, { ...fine, loopDelayP99Ms: 25 }])).toMatch(
    /event loop of 1 of 2 workers was late by up to 25 ms/,
  )
  expect(whyLimit([{ ...fine, cpuShare: 0.95 }])).toMatch(/1 of 1 workers used more than 90 %/)
  expect(whyLimit([{ ...fine, isFull: true }])).toMatch(/began late/)
})
