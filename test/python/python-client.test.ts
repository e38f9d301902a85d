/**
 * docs/PROTOCOL.md promises that it alone is enough to write a client. So here is one in another language, written from
 * it by one who had read nothing else, and every step of its walk-through is tried against a gateway.
 *
 * Python and its websockets library come from the machine (`npm test` installs them on Debian and Ubuntu). In CI their
 * absence fails these tests; elsewhere it becomes one test, whose name says what was not run and how to get it.
 */
import { execFile, spawnSync } from 'node:child_process'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'

/** `npm test` says which Python of the machine has the library. */
const python = process.env.SLUICE_TEST_PYTHON ?? '/usr/bin/python3'
const script = path.join(import.meta.dirname, 'walkthrough.py')
const walkMs = 60_000
const outputBytes = 1024 * 1024

const isInstalled = spawnSync(python, ['-c', 'import websockets']).status === 0
const isCi = process.env.CI === 'true' || process.env.CI === '1'

type Step = Readonly<Record<string, unknown>>
type Walk = { readonly code: number; readonly output: string; readonly steps: ReadonlyMap<string, Step> }

function walk(httpUrl: string): Promise<Walk> {
  // -B: no compiled files beside the sources.
  const options = { timeout: walkMs, maxBuffer: outputBytes }
  return new Promise((resolve) => {
    const child = execFile(python, ['-B', script, httpUrl], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, output: `${stdout}${stderr}`, steps: stepsOf(stdout) })
    })
  })
}

function stepsOf(stdout: string): Map<string, Step> {
  const lines = stdout.split('\n').filter((line) => line !== '')
  return new Map(lines.map((line) => [String(JSON.parse(line).step), JSON.parse(line)]))
}

const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/)

function describeWalk(transport: 'ws' | 'uws'): void {
  let gateway: TestGateway
  let walked: Walk

  beforeAll(async () => {
    gateway = await startTestGateway({ transport })
    walked = await walk(gateway.httpUrl)
  }, walkMs + 10_000)

  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
  })

  /** The step's line; where there is none, what the walk said instead. */
  function step(name: string): Step {
    return walked.steps.get(name) ?? { step: name, ok: false, instead: walked.output }
  }

  test('[PYTHON-1] written from the document alone, walks through all of it', () => {
    expect(walked.output).not.toMatch(/"ok": false|Traceback|never retrieved/)
    expect(walked).toMatchObject({ code: 0 })
    expect([...walked.steps.keys()]).toEqual([
      ...['refused', 'hello', 'open', 'drop', 'resume', 'join', 'repair', 'cancel', 'retry', 'feedback'],
      ...['reset', 'delete', 'http-drop', 'http-resume', 'http-delete'],
    ])
  })

  test('[PYTHON-2] is refused with a forged token and welcomed with a development token', () => {
    expect(step('refused')).toMatchObject({ ok: true, closeCode: 4400 })
    expect(step('hello')).toMatchObject({ ok: true, protocol: 'sluice.v1' })
    expect(step('open')).toMatchObject({ ok: true, sameByKey: true })
  })

  test('[PYTHON-3] loses its socket in mid-answer and ends with the text of the terminal record', () => {
    const { turn, heldBytes } = step('drop')
    expect(step('drop')).toMatchObject({ ok: true, heldBytes: expect.any(Number) })
    expect(step('resume')).toMatchObject({ ok: true, turn, fromBytes: heldBytes, sha256, repairs: 0 })
    expect(Number(step('resume').bytes)).toBeGreaterThan(Number(heldBytes))
  })

  test('[PYTHON-4] joins in mid-answer from a second socket and holds the same text', () => {
    const { turn, bytes } = step('resume')
    expect(step('join')).toMatchObject({ ok: true, turn, bytes, fromEnds: [] })
  })

  test('[PYTHON-5] repairs a gap of its own by opening again, once', () => {
    expect(step('repair')).toMatchObject({ ok: true, opens: 1 })
  })

  test('[PYTHON-6] cancels in mid-answer and finds the partial text in the history', () => {
    const { text } = step('cancel')
    expect(step('cancel')).toMatchObject({ ok: true, bytes: Buffer.byteLength(String(text)), sha256 })
    expect(text).toMatch(/^You asked:\n\n> Tell me of the bridge, Grüße/)
  })

  test('[PYTHON-7] retries in the place of the last turn, rates it, and is told all anew after a reset', () => {
    expect(step('retry')).toMatchObject({ ok: true, replaces: step('cancel').turn, again: 'conflict' })
    expect(step('feedback')).toMatchObject({ ok: true, turn: step('retry').turn, rating: 1 })
    expect(step('reset')).toMatchObject({ ok: true, seq: step('feedback').seq, turns: 4 })
  })

  test('[PYTHON-8] deletes the session, which is then not found', () => {
    expect(step('delete')).toMatchObject({ ok: true, reason: 'erased', afterwards: 'not-found' })
    expect(step('http-delete')).toMatchObject({ ok: true, afterwards: 404 })
  })

  test('[PYTHON-9] drops an event stream over HTTP and resumes it with Last-Event-ID to the same text', () => {
    const { turn, heldBytes } = step('http-drop')
    expect(step('http-drop')).toMatchObject({ ok: true, lastEventId: expect.any(String) })
    expect(step('http-resume')).toMatchObject({ ok: true, turn, fromBytes: heldBytes, sha256, after: 204 })
  })
}

function describeAbsence(): void {
  test('NOT RUN, python3-websockets is missing: sudo apt-get install -y python3-websockets', () => {
    expect(isInstalled).toBe(false)
  })
}

if (isInstalled || isCi) describe.each(testedTransports)('a client in Python over %s', describeWalk)
else describe('a client in Python', describeAbsence)
