/** Which fields of a log line are written, and which are censored. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createTelemetry } from '../../gateway/telemetry/telemetry.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import { keptLines, startStation } from './telemetry-station.ts'

const secretWord = 'hunter2'

test('[OBS-320] the line of a failed provider call has the number of the key in its list', async () => {
  const keys = [`${secretWord}-one`, `${secretWord}-two`].map((key) => ({ reveal: () => key }))
  const withKeys = (policy: Policy) => ({
    ...policy,
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, keys }])),
  })
  await using station = await startStation({}, undefined, withKeys)
  const client = await station.connect()
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  const message = { type: 'message.send', session, messageId: 'm1', content: '[[fault=401]]\nhi' } as const
  await client.ask(message, 'message.accepted')
  const failed = () => station.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'provider call failed')
  await expect
    .poll(() => failed().map(({ keyNumber, status }) => [keyNumber, status]))
    .toEqual([
      [1, 401],
      [2, 401],
    ])
  expect(station.lines.join('')).not.toContain(secretWord)
  // No field of it is censored: each was put there to be read.
  expect(JSON.stringify(failed())).not.toContain('[redacted]')
  client.socket.terminate()
})

test('[OBS-321] whether messages are recorded is written', async () => {
  const SLUICE_RECORD_DIR = mkdtempSync(join(tmpdir(), 'sluice-recording-'))
  {
    await using station = await startStation({ SLUICE_RECORD_DIR, SLUICE_RECORD_TEXT: 'on' })
    const recorded = station.lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'sessions are recorded')
    expect(recorded).toMatchObject({ withText: true })
  }
  rmSync(SLUICE_RECORD_DIR, { recursive: true })
})

test.each([
  'key',
  'apiKey',
  'API_KEY',
  'api-key',
  'X-Api-Key',
  'privateKey',
  'token',
  'accessToken',
  'refresh_token',
  'idToken',
  'clientSecret',
  'Authorization',
  'Proxy-Authorization',
  'Set-Cookie',
  'cookie',
  'passwd',
  'credentials',
  'Content',
  'prompt',
  'answer',
  'delta',
  'reasoning',
  'refusal',
  'title',
  'metadata',
  'query',
])('[OBS-321] a field %s with words is censored, and with a figure or a switch it is written', async (name) => {
  const { lines, destination } = keptLines()
  const telemetry = await createTelemetry(
    { logLevel: 'info', metrics: { kind: 'off' }, exportTraces: false },
    { version: '1', environment: process.env, destination },
  )
  for (const words of [secretWord, [secretWord], { inside: secretWord }]) {
    telemetry.log.info({ [name]: words, request: { [name]: words } }, 'told too much')
  }
  for (const figure of [7, true]) telemetry.log.info({ [name]: figure, request: { [name]: figure } }, 'a figure')
  await telemetry.close()
  expect(lines.length).toBe(5)
  expect(lines.join('')).not.toContain(secretWord)
  const last = JSON.parse(lines.at(-1) ?? '')
  expect([last[name], last.request[name]]).toEqual([true, true])
})

test.each(['keyNumber', 'inputTokens', 'contentBytes', 'tokenCount', 'keyset', 'session', 'reason', 'problem'])(
  '[OBS-321] a field %s is written',
  async (name) => {
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(
      { logLevel: 'info', metrics: { kind: 'off' }, exportTraces: false },
      { version: '1', environment: process.env, destination },
    )
    telemetry.log.info({ [name]: 'written' }, 'a line')
    await telemetry.close()
    expect(JSON.parse(lines[0] ?? '')[name]).toBe('written')
  },
)
