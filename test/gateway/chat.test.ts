import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import type { Down } from '../../protocol/down.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

describe.each(testedTransports)('chat over %s', (transport) => {
  let gateway: TestGateway

  beforeAll(async () => {
    gateway = await startTestGateway({ transport })
  })

  afterAll(async () => {
    expect(gateway.telemetry.troubles).toEqual([])
    await gateway[Symbol.asyncDispose]()
  })

  const connect = async (subject = 'ada') => WireClient.connect(gateway.url, await gateway.token(subject))

  test('[CONN-1] a message is accepted, its answer streams, and ends with the length and hash of exactly that text', async () => {
    const client = await connect()
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const content = 'Tell me about sluices\n[[tokens=200 tps=1000]]'
    const accepted = await client.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    const added = await client.next('message.added')
    expect(added.message).toEqual({ messageId: 'm1', content })
    const started = await client.next('turn.started')
    expect(started).toMatchObject({ turn: accepted.turn, attempt: 1 })
    const completed = await client.next('turn.completed')
    const text = joined(client.frames)
    expect(text).toBe(expectedText(gateway, content))
    expect(completed.bytes).toBe(Buffer.byteLength(text))
    expect(completed.sha256).toBe(createHash('sha256').update(text).digest('hex'))
    expect([added.seq, started.seq, completed.seq]).toEqual([1, 2, 3])
    client.close()
  })

  test('[CONN-2] a socket that dies in mid-answer is resumed by position on another, with nothing lost or twice', async () => {
    const first = await connect()
    const { session } = await first.ask({ type: 'session.open' }, 'session.opened')
    const content = 'Go on for a while\n[[tokens=300 tps=600]]'
    const { turn } = await first.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    const started = await first.next('turn.started')
    const delta = await first.next('turn.delta')
    first.socket.terminate()
    const second = await connect()
    const cursor = { seq: started.seq, mark: started.mark, turn, attempt: 1, ends: [delta.end] }
    const opened = await second.ask({ type: 'session.open', session, cursor }, 'session.opened')
    expect(opened).toMatchObject({
      reset: false,
      records: [],
      turn: { turn, attempt: 1, state: 'streaming', ends: [delta.end] },
    })
    await second.next('turn.completed')
    expect(joined([delta, ...second.frames])).toBe(expectedText(gateway, content))
    second.close()
  })

  test('[CONN-3] a second device that joins in mid-answer gets all of it', async () => {
    const first = await connect()
    const { session } = await first.ask({ type: 'session.open' }, 'session.opened')
    const content = 'For two\n[[tokens=300 tps=600]]'
    await first.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    await first.next('turn.delta')
    const second = await connect()
    const opened = await second.ask({ type: 'session.open', session }, 'session.opened')
    expect(opened.records.map((record) => record.type)).toEqual(['message.added', 'turn.started'])
    await second.next('turn.completed')
    expect(joined(second.frames)).toBe(expectedText(gateway, content))
    first.close()
    second.close()
  })

  test('[CONN-4] cancel from another device closes the provider, keeps the partial text and marks the usage', async () => {
    const first = await connect()
    const { session } = await first.ask({ type: 'session.open' }, 'session.opened')
    const content = 'Never ends\n[[tokens=100000 tps=200]]'
    const { turn } = await first.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    const delta = await first.next('turn.delta')
    const second = await connect()
    await second.ask({ type: 'turn.cancel', session, turn }, 'turn.cancelling')
    const cancelled = await first.next('turn.cancelled')
    await gateway.model.waitFor((request) => request.status === 'closed-by-client')
    const text = joined([delta, ...first.frames])
    expect(cancelled).toMatchObject({ finishReason: 'cancelled', bytes: Buffer.byteLength(text) })
    expect(cancelled.usage.source).toBe('bound')
    const page = await second.ask({ type: 'history.get', session }, 'history.page')
    expect(page.records.at(-1)).toMatchObject({ type: 'turn.cancelled', text })
    first.close()
    second.close()
  })

  test('[CONN-5] the same messageId is one turn; with other content it is a conflict', async () => {
    const client = await connect()
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const message = { type: 'message.send', session, messageId: 'once', content: 'Only once' }
    const [one, two] = await Promise.all([
      client.ask(message, 'message.accepted'),
      client.ask(message, 'message.accepted'),
    ])
    expect(two.turn).toBe(one.turn)
    await client.next('turn.completed')
    const refused = await client.ask({ ...message, content: 'Something else' }, 'error')
    expect(refused.kind).toBe('conflict')
    client.close()
  })

  test("[CONN-6] another subject's session is not found, like none", async () => {
    const [ada, bob] = [await connect('ada'), await connect('bob')]
    const { session } = await ada.ask({ type: 'session.open' }, 'session.opened')
    for (const id of [session, 'none-such']) {
      expect((await bob.ask({ type: 'session.open', session: id }, 'error')).kind).toBe('not-found')
      expect((await bob.ask({ type: 'message.send', session: id, messageId: 'm', content: 'hi' }, 'error')).kind).toBe(
        'not-found',
      )
      expect((await bob.ask({ type: 'turn.cancel', session: id, turn: 't' }, 'error')).kind).toBe('not-found')
      expect((await bob.ask({ type: 'history.get', session: id }, 'error')).kind).toBe('not-found')
      expect((await bob.ask({ type: 'session.delete', session: id }, 'error')).kind).toBe('not-found')
    }
    ada.close()
    bob.close()
  })
})

function joined(frames: readonly Down[]): string {
  let text = ''
  for (const frame of frames) {
    if (frame.type !== 'turn.delta') continue
    expect(frame.at).toBe(Buffer.byteLength(text))
    text += frame.text
    expect(frame.end).toBe(Buffer.byteLength(text))
  }
  return text
}

function expectedText(gateway: TestGateway, content: string): string {
  const request = gateway.model.requests.findLast((asked) => asked.chat?.messages.at(-1)?.content === content)?.chat
  if (request === undefined) throw new Error('the model server was not asked')
  return answerFor(request, { ttftMs: 5, tokensPerSecond: 0 }).text
}
