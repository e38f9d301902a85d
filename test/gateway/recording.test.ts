import { openSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openRecording, Recording } from '../../gateway/recording/recording.ts'
import { recordingScripts } from '../../load/tester/sources/recording.ts'
import type { Script } from '../../load/tester/sources/script.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { quietTelemetry } from '../support/telemetry.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

const secret = 'my cat is called Ada'

async function inFolder(run: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'sluice-recording-'))
  try {
    await run(dir)
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function recorded(dir: string): Promise<{ readonly text: string; readonly events: readonly Event[] }> {
  const [file = ''] = await readdir(dir)
  const text = await readFile(join(dir, file), 'utf8')
  return {
    text,
    events: text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  }
}

type Event = Readonly<Record<string, unknown>> & { readonly atMs: number; readonly type: string }

/** One subject asks twice on one socket and is answered, cancels the second, and a client over HTTP asks once. */
async function live(gateway: TestGateway): Promise<void> {
  const client = await WireClient.connect(gateway.url, await gateway.token('ada'))
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  const send = (messageId: string, content: string) =>
    client.ask({ type: 'message.send', session, messageId, content }, 'message.accepted')
  await send('m1', `${secret}\n[[tokens=3]]`)
  await client.next('turn.completed')
  // The same again is the same message.
  await send('m1', `${secret}\n[[tokens=3]]`)
  const { turn } = await send('m2', 'on and on\n[[tokens=100000 tps=50]]')
  await client.next('turn.delta')
  await client.ask({ type: 'turn.cancel', session, turn }, 'turn.cancelling')
  await client.next('turn.cancelled')
  client.close()
  await client.closed
  const headers = { authorization: `Bearer ${await gateway.token('bob')}`, 'content-type': 'application/json' }
  const made = await fetch(`${gateway.httpUrl}/v1/sessions`, { method: 'POST', headers, body: '{}' })
  const { session: other } = (await made.json()) as { session: string }
  const body = JSON.stringify({ messageId: 'm1', content: 'over HTTP\n[[tokens=2]]' })
  const answer = await fetch(`${gateway.httpUrl}/v1/sessions/${other}/messages`, {
    method: 'POST',
    headers: { ...headers, accept: 'application/json' },
    body,
  })
  expect(answer.status).toBeLessThan(300)
  await answer.text()
}

describe.each(testedTransports)('a recording over %s', (transport) => {
  test('[RECORD-1] tells times, lengths, ends and drops of live sessions, and no id and no text', () =>
    inFolder(async (dir) => {
      {
        await using gateway = await startTestGateway({ transport, env: { SLUICE_RECORD_DIR: dir } })
        await live(gateway)
      }
      const { text, events } = await recorded(dir)
      expect(events[0]).toMatchObject({ format: 'sluice-recording', version: 1 })
      expect(events.slice(1).map(({ type }) => type)).toEqual([
        'socket.opened',
        'session.opened',
        'message',
        'turn.ended',
        'message',
        'cancel',
        'turn.ended',
        'socket.closed',
        'message',
        'turn.ended',
      ])
      expect(events[3]).toMatchObject({ session: 1, contentBytes: Buffer.byteLength(`${secret}\n[[tokens=3]]`) })
      expect(events[4]).toMatchObject({ session: 1, end: 'turn.completed', outputTokens: 3, ms: expect.any(Number) })
      expect(events[7]).toMatchObject({ session: 1, end: 'turn.cancelled' })
      expect(events[8]).toMatchObject({ socket: 1, code: 1005 })
      expect(events[9]).toMatchObject({ session: 2 })
      const times = events.slice(1).map(({ atMs }) => atMs)
      expect(times).toEqual([...times].sort((a, b) => a - b))
      const scripts: Script[] = []
      const [file = ''] = await readdir(dir)
      for await (const script of recordingScripts(join(dir, file), { cutCount: 0 })) scripts.push(script)
      expect(scripts.map(({ questions }) => questions.length)).toEqual([2, 1])
      expect(scripts[0]?.questions).toMatchObject([{ outputTokens: 3 }, { cancelAfterMs: expect.any(Number) }])
      for (const told of [secret, 'ada', 'bob', 'm1']) expect(text).not.toContain(told)
    }))

  test('[RECORD-2] holds the messages where that was asked for, in a file of its owner alone', () =>
    inFolder(async (dir) => {
      {
        const env = { SLUICE_RECORD_DIR: join(dir, 'made'), SLUICE_RECORD_TEXT: 'on' }
        await using gateway = await startTestGateway({ transport, env })
        await live(gateway)
      }
      const { events } = await recorded(join(dir, 'made'))
      expect(events[3]).toMatchObject({ content: `${secret}\n[[tokens=3]]` })
      const [file = ''] = await readdir(join(dir, 'made'))
      expect((await stat(join(dir, 'made', file))).mode & 0o777).toBe(0o600)
    }))
})

describe('a recording', () => {
  test('[RECORD-3] ends when it is as long as it may be, and says so; the gateway goes on', () =>
    inFolder(async (dir) => {
      const telemetry = quietTelemetry()
      const recording = openRecording({ kind: 'on', dir, withText: true, maxBytes: 1_000 }, telemetry.log, Date.now)
      for (let n = 0; n < 100; n++) recording?.message({ session: 's', turn: `t${n}`, model: undefined, content: 'x' })
      await recording?.close()
      const { text } = await recorded(dir)
      expect(text.length).toBeGreaterThan(900)
      expect(text.length).toBeLessThan(1_200)
      expect(telemetry.troubles).toHaveLength(1)
    }))

  test('[RECORD-5] ends when its disk takes nothing more, and says so', async () => {
    const telemetry = quietTelemetry()
    const settings = { kind: 'on', dir: '/dev', withText: false, maxBytes: 1_000_000 } as const
    const recording = new Recording(openSync('/dev/full', 'w'), settings, telemetry.log, Date.now)
    await recording.close()
    expect(telemetry.troubles).toMatchObject([{ err: { code: 'ENOSPC' } }])
  })

  test('[RECORD-4] a folder that cannot be written refuses to start, with the variable to change', async () => {
    const start = startTestGateway({ env: { SLUICE_RECORD_DIR: '/dev/null/nowhere' } })
    await expect(start).rejects.toThrow('SLUICE_RECORD_DIR')
  })
})
