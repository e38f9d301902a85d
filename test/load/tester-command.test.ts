import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startCrew } from '../../load/tester/crew.ts'
import { verdictOf } from '../../load/tester/report/verdict.ts'
import { type RunResult, runResult } from '../../load/tester/result.ts'
import { ended, main, run } from '../cli/command.ts'
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

const sluiceLoad = (...args: readonly string[]) => run([main, 'load', ...args])
const small = ['--sockets', '2', '--sessions', '4', '--questions', '2', '--tokens', '30']
const resultIn = async (file: string): Promise<RunResult> => runResult.parse(JSON.parse(await readFile(file, 'utf8')))

test('[LOAD-7] the command runs workers, writes a result of its schema, and ends with 0', async () => {
  const json = join(folder, 'right.json')
  const options = ['--workers', '2', '--check', 'text', '--history', '--slo', 'ttft<60000ms@99%']
  const { code, complained } = await ended(sluiceLoad('--url', gateway.httpUrl, ...small, ...options, '--json', json))
  expect(complained).toBe('')
  expect(code).toBe(0)
  const result = await resultIn(json)
  expect(result.counts).toMatchObject({ sessions: 4, questions: 8, completed: 8, unfinished: 0 })
  expect(result).toMatchObject({ stoppedBy: 'end', faults: [], slos: [{ isMet: true }], goodput: { share: 1 } })
  expect(result.driver.cpuShares).toHaveLength(2)
  expect(result.series.points.reduce((sum, { completed }) => sum + completed, 0)).toBe(8)
})

/** Changes one frame of a kind, the second one that comes. */
function changingOnce(
  type: string,
  change: (frame: string) => readonly string[],
): (frame: string) => readonly string[] {
  let count = 0
  return (frame) => (frame.includes(`"type":"${type}"`) && ++count === 2 ? change(frame) : [frame])
}

const damages = {
  altered: ['hash', changingOnce('turn.delta', (frame) => [frame.replace(/("text":".*?)[a-z](?=[^\\]*?")/, '$1X')])],
  lost: ['position', changingOnce('turn.delta', () => [])],
  repeated: ['position', changingOnce('turn.delta', (frame) => [frame, frame])],
  'with another hash': [
    'hash',
    changingOnce('turn.completed', (f) => [f.replace(/"sha256":"...../, '"sha256":"00000')]),
  ],
  'ended twice': ['order', changingOnce('turn.completed', (frame) => [frame, frame])],
  unreadable: ['frame', changingOnce('turn.delta', (frame) => [frame.slice(0, -3)])],
} as const

test.each(Object.entries(damages))('[LOAD-8] what comes %s is a wrong answer, told loudly', async (_what, damage) => {
  const [check, change] = damage
  await using proxy = await startChangingProxy(gateway.url, change)
  const token = ['--token-url', `${gateway.httpUrl}/dev/token`]
  const { code, complained } = await ended(sluiceLoad('--url', proxy.url, ...token, ...small, '--sockets', '1'))
  expect(complained).toContain(`WRONG (${check}), 1 times:\n  session `)
  expect(code).toBe(3)
})

test('[LOAD-9] a missed SLO ends with 1', async () => {
  const { code } = await ended(sluiceLoad('--url', gateway.url, ...small, '--slo', 'ttft<1ms@99%'))
  expect(code).toBe(1)
})

test('[LOAD-9] a run without a single answer ends with 1 and says so', async () => {
  const none = ['--url', gateway.url, ...small, '--model', 'demo?fault=400']
  const { code, complained } = await ended(sluiceLoad(...none))
  expect(complained).toContain('no question was answered')
  expect(code).toBe(1)
})

test.each([
  [['--sockts', '2'], /sockts/],
  [['--sockets', 'many'], /--sockets many must be a number/],
  [['--duration', '5 parsecs'], /500ms, 20s/],
  [['--source', 'azure'], /give --file FILE/],
  [['--source', 'azure', '--file', 'no-such-file.csv'], /no-such-file/],
  [['--slo', 'soon'], /soon/],
  [['--token-life', '10s'], /--secret-env/],
  [['--secret-env', 'NOT_SET_ANYWHERE'], /not set/],
  [['--url', 'nowhere'], /ws:\/\//],
])('[LOAD-9] %j is wrong usage, and what to do is said', async (args, message) => {
  const { code, complained } = await ended(sluiceLoad(...args))
  expect(complained).toMatch(message)
  expect(code).toBe(2)
})

test('[LOAD-12] another host is loaded only when it is named twice', async () => {
  for (const option of ['--url', '--token-url']) {
    const { code, complained } = await ended(sluiceLoad(option, 'ws://example.invalid/v1/socket'))
    expect(complained).toContain('--i-may-load example.invalid')
    expect(code).toBe(2)
  }
})

test('[LOAD-9] the file of a source is read before anything is sent', async () => {
  const file = join(folder, 'bad.jsonl')
  await writeFile(file, '{"turns":["a"]}\n{"turns":7}\n')
  const bad = sluiceLoad('--url', gateway.url, '--source', 'mt-bench', '--file', file)
  const { code, complained } = await ended(bad)
  expect(complained).toMatch(/line 2: turns/)
  expect(code).toBe(2)
})

test('[LOAD-10] Ctrl-C ends a run, and what was found is reported', async () => {
  const json = join(folder, 'interrupted.json')
  const child = sluiceLoad(
    '--url',
    gateway.url,
    '--sockets',
    '2',
    '--duration',
    '1h',
    '--interval',
    '100ms',
    '--json',
    json,
  )
  const over = ended(child)
  if (child.stdout === null) throw new Error('no pipe to the command')
  let isInterrupted = false
  createInterface(child.stdout).on('line', (line) => {
    if (isInterrupted || !/ completed [1-9]/.test(line)) return
    isInterrupted = true
    child.kill('SIGINT')
  })
  expect((await over).code).toBe(0)
  const { stoppedBy, counts, series } = await resultIn(json)
  expect(stoppedBy).toBe('signal')
  expect(counts.completed).toBeGreaterThan(0)
  expect(counts.completed + counts.unfinished).toBe(counts.questions)
  expect(series.points.reduce((sum, { questions }) => sum + questions, 0)).toBe(counts.questions)
})

test('[LOAD-11] a worker that dies is told, and the others go on', async () => {
  const warnings: string[] = []
  let isKilled = false
  const plan = planOf(gateway.url, { runId: 'dying', workers: 2, sockets: 4, sessions: 40, intervalMs: 100 })
  const crew = startCrew(plan, {
    options: {},
    point: ({ completed }) => {
      const [pid] = crew.pids
      if (completed === 0 || isKilled || pid === undefined) return
      isKilled = true
      process.kill(pid, 'SIGKILL')
    },
    warn: (message) => warnings.push(message),
  })
  const result = await crew.result
  expect(warnings).toHaveLength(1)
  expect(result.faults).toMatchObject([{ check: 'worker', count: 1, examples: [expect.stringContaining('SIGKILL')] }])
  expect(result.counts.completed).toBeGreaterThanOrEqual(20 * 5)
  expect(verdictOf(result).exitCode).toBe(3)
})
