import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startDriver } from '../../load/tester/driver.ts'
import { Gathering } from '../../load/tester/gathering.ts'
import type { RunPlan } from '../../load/tester/plan.ts'
import type { RunResult } from '../../load/tester/result.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { planOf } from './tester-plan.ts'
import { startChangingProxy } from './tester-proxy.ts'

let gateway: TestGateway
let folder = ''
beforeAll(async () => {
  gateway = await startTestGateway({ model: { ttftMs: 2, tokensPerSecond: 400 } })
  folder = await mkdtemp(join(tmpdir(), 'sluice-load-'))
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

let runCount = 0

/** Runs a plan in this process, as so many workers would. */
async function load(given: Partial<RunPlan>, url = gateway.url): Promise<RunResult> {
  const plan = planOf(url, { runId: `t${++runCount}`, ...given })
  const gathering = new Gathering(plan, () => undefined)
  const startsAtMs = Date.now()
  const drivers = Array.from({ length: plan.workers }, (_, worker) => {
    return startDriver(plan, { worker, workers: plan.workers, startsAtMs })
  })
  await Promise.all(drivers.map(({ done }) => done))
  for (const [worker, { tally }] of drivers.entries()) gathering.add(worker, tally.take(0))
  const run = { name: 'test', startedMs: startsAtMs, durationMs: 1, stoppedBy: 'end', options: {} } as const
  return gathering.result(run, plan)
}

test('[LOAD-7] every answer of a quiet run is verified and measured once', async () => {
  const result = await load({ sockets: 5, sessions: 12, questions: 4, workers: 2 })
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({
    sessions: 12,
    questions: 48,
    completed: 48,
    failed: 0,
    cancelled: 0,
    unfinished: 0,
    sockets: 12,
    killed: 0,
    lost: 0,
    resent: 0,
    outputTokens: 48 * 30,
  })
  const counts = Object.fromEntries(Object.entries(result.measures).map(([name, { count }]) => [name, count]))
  expect(counts).toMatchObject({ connect: 12, open: 12, ttft: 48, tpot: 48, e2e: 48 })
  expect(counts).not.toHaveProperty('late')
  // The first piece of each answer has none before it.
  expect(counts.gap).toBe(result.counts.deltas - 48)
  expect(result.goodput.share).toBe(1)
})

test('[LOAD-7] with sockets that are cut every answer is there, once', async () => {
  const churn = { everyMs: 120, awayMs: 40 }
  const result = await load({ sockets: 8, sessions: 16, questions: 3, outputTokens: 80, churn })
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({ questions: 48, completed: 48, failed: 0, unfinished: 0, lost: 0 })
  expect(result.counts.killed).toBeGreaterThan(16)
  expect(result.counts.resumed).toBeGreaterThan(0)
  expect(result.counts.sockets).toBe(16 + result.counts.killed)
  expect(result.measures.resume?.count).toBe(result.counts.resumed)
})

test('[LOAD-7] watchers get all that the user gets, and cancels end what they are to end', async () => {
  const plan = { sockets: 4, sessions: 8, questions: 3, watchers: 2, cancelShare: 0.5, outputTokens: 60 }
  const result = await load(plan)
  expect(result.faults).toEqual([])
  const { completed, cancelled, sockets } = result.counts
  expect(completed + cancelled).toBe(24)
  expect(cancelled).toBeGreaterThan(0)
  expect(sockets).toBe(8 * 3)
  expect(result.goodput.share).toBe(1)
})

test('[LOAD-7] slow readers get the same text, and their own slowness is not measured', async () => {
  const slow = { share: 1, bytesPerSecond: 20_000 }
  const result = await load({ sockets: 3, sessions: 3, questions: 1, outputTokens: 200, slow })
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({ completed: 3, lost: 0 })
  expect(result.measures.ttft).toBeUndefined()
  expect(result.measures.gap).toBeUndefined()
})

test('[LOAD-7] an answer too long for one frame is read piece by piece after a cut', async () => {
  await using long = await startTestGateway({ env: { SLUICE_ANSWER_TOKENS: '40000' } })
  let pieceCount = 0
  await using proxy = await startChangingProxy(long.url, (frame) => {
    if (frame.includes('"type":"turn.text"')) pieceCount++
    return [frame]
  })
  // Cut within 90 ms and away for at least 200: the rest of the 300 ms passes without a reader.
  const churn = { everyMs: 60, awayMs: 400 }
  const tokens = { from: 'url', url: `${long.httpUrl}/dev/token` } as const
  const answers = { outputTokens: 30_000, model: 'demo?tps=100000', tokens, churn }
  const result = await load({ sockets: 2, sessions: 4, questions: 2, ...answers }, proxy.url)
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({ completed: 8, lost: 0 })
  expect(pieceCount).toBeGreaterThan(0)
})

test('[LOAD-7] tokens that expire are refreshed on the live socket', async () => {
  const secret = 'a-secret-that-is-long-enough-for-HS256-and-a-little-more'
  await using signing = await startTestGateway({
    env: { SLUICE_JWT_SECRET: secret, SLUICE_JWT_ISSUER: '*', SLUICE_JWT_AUDIENCE: '*' },
    model: { ttftMs: 2, tokensPerSecond: 20 },
  })
  const tokens = { from: 'secret', secret, lifeMs: 1_000 } as const
  const result = await load({ sockets: 2, sessions: 2, questions: 1, outputTokens: 160, tokens }, signing.url)
  expect(result.faults).toEqual([])
  expect(result.refusals).toEqual({})
  // Eight seconds of an answer, and a gateway that closes sockets five seconds after their token's end.
  expect(result.counts).toMatchObject({ completed: 2, lost: 0, sockets: 2 })
})

test('[LOAD-5] a question that waits for the answer before it has waited', async () => {
  const file = join(folder, 'recording.jsonl')
  const message = { type: 'message', session: 1, contentBytes: 40 }
  const events = [
    { format: 'sluice-recording', version: 1, startedMs: 0 },
    { atMs: 0, type: 'session.opened', socket: 1, session: 1 },
    { atMs: 10, ...message },
    { atMs: 20, ...message },
  ]
  writeFileSync(file, events.map((event) => JSON.stringify(event)).join('\n'))
  // 200 tokens at 400 a second take half a second.
  const result = await load({ source: 'recording', file, arrivals: 'open', outputTokens: 200 })
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({ questions: 2, completed: 2 })
  expect(result.measures.late?.count).toBe(2)
  for (const name of ['late', 'ttft'] as const) expect(result.measures[name]?.maxMs).toBeGreaterThan(400)
})

test('[LOAD-7] an answer that does not come to its end is given up', async () => {
  const result = await load({ sockets: 2, sessions: 2, questions: 3, model: 'demo?fault=stall-mid', patienceMs: 300 })
  expect(result.faults).toEqual([])
  expect(result.counts).toMatchObject({ questions: 2, completed: 0, failed: 2, unfinished: 0 })
  expect(result.failures).toEqual({ timeout: 2 })
})

test('[LOAD-7] what the gateway refuses or the model fails is counted by its kind, and is no wrong answer', async () => {
  const failed = await load({ sockets: 2, sessions: 2, questions: 2, model: 'demo?fault=400' })
  expect(failed.faults).toEqual([])
  expect(failed.counts).toMatchObject({ questions: 4, completed: 0, failed: 4 })
  expect(Object.values(failed.failures).reduce((sum, count) => sum + count, 0)).toBe(4)
  expect(failed.goodput.share).toBe(0)
})
