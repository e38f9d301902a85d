import { afterAll, describe, expect, test } from 'vitest'
import type { DownOf } from '../../protocol/down.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

/** What a subject is told when its share of the store, or its rate of writes, is used up. */

const megabyte = { SLUICE_MEMORY_MAX_BYTES: String(8 * 1024 * 1024), SLUICE_BYTES_PER_SUBJECT: String(1024 * 1024) }
const made: TestGateway[] = []
afterAll(async () => {
  for (const gateway of made) await gateway[Symbol.asyncDispose]()
})

async function start(transport: 'ws' | 'uws', env: Readonly<Record<string, string>>): Promise<TestGateway> {
  const gateway = await startTestGateway({ transport, env })
  made.push(gateway)
  return gateway
}

async function connect(gateway: TestGateway, subject: string): Promise<WireClient> {
  return WireClient.connect(gateway.url, await gateway.token(subject))
}

describe.each(testedTransports)('on %s', (transport) => {
  test('[CONN-160] a full share is said with how much it is and what makes room, on the socket and over HTTP, to its subject alone', {
    timeout: 60_000,
  }, async () => {
    const gateway = await start(transport, megabyte)
    const [ada, bob] = [await connect(gateway, 'ada'), await connect(gateway, 'bob')]
    const sessions: string[] = []
    const content = `${'x'.repeat(120_000)}\n[[tokens=1]]`
    const refused = await fill(ada, sessions, content)
    expect(refused).toMatchObject({ kind: 'forbidden', retryable: false })
    expect(refused.message).toBe(
      'your sessions hold 1 MiB, as much as one subject may have: delete sessions (session.delete), the oldest first, then send this again',
    )
    const authorization = `Bearer ${await gateway.token('ada')}`
    const body = JSON.stringify({ content })
    const answer = await fetch(`${gateway.httpUrl}/v1/sessions/${sessions[0]}/messages`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json', 'idempotency-key': 'another' },
      body,
    })
    expect([answer.status, await answer.json()]).toMatchObject([403, { error: { message: refused.message } }])
    const theirs = await bob.ask({ type: 'session.open' }, 'session.opened')
    await bob.ask({ type: 'message.send', session: theirs.session, messageId: 'm', content }, 'message.accepted')
    await ada.ask({ type: 'session.delete', session: sessions[0] }, 'session.deleted')
    await ada.ask({ type: 'message.send', session: sessions[1], messageId: 'again', content }, 'message.accepted')
  })

  test('[CONN-161] sessions, metadata and feedback are counted by the minute, with when to come back; deleting and messages are not', async () => {
    const gateway = await start(transport, { SLUICE_WRITES_PER_MINUTE: '4' })
    const [ada, bob] = [await connect(gateway, 'ada'), await connect(gateway, 'bob')]
    const { session } = await ada.ask({ type: 'session.open' }, 'session.opened')
    const sent = { type: 'message.send', session, messageId: 'm', content: 'hello\n[[tokens=1]]' }
    const { turn } = await ada.ask(sent, 'message.accepted')
    await ada.next('turn.completed')
    await ada.ask({ type: 'session.update', session, metadata: { title: 'a' } }, 'session.updated')
    await ada.ask({ type: 'feedback.give', session, turn, rating: 1 }, 'feedback.added')
    await ada.ask({ type: 'session.open' }, 'session.opened')
    const tooFast = { kind: 'rate-limited', retryable: true, retryAfterMs: expect.any(Number) }
    expect(await ada.ask({ type: 'session.open' }, 'error')).toMatchObject(tooFast)
    expect(await ada.ask({ type: 'session.update', session, metadata: {} }, 'error')).toMatchObject(tooFast)
    expect(await ada.ask({ type: 'feedback.give', session, turn, rating: 0 }, 'error')).toMatchObject(tooFast)
    await bob.ask({ type: 'session.open' }, 'session.opened')
    await ada.ask({ ...sent, messageId: 'n' }, 'message.accepted')
    await ada.ask({ type: 'session.delete', session }, 'session.deleted')
  })

  test('[CONN-162] an answer is rated 16 times at most, and a rating that stands already is no further one', async () => {
    const gateway = await start(transport, {})
    const ada = await connect(gateway, 'ada')
    const { session } = await ada.ask({ type: 'session.open' }, 'session.opened')
    const sent = { type: 'message.send', session, messageId: 'm', content: 'hello\n[[tokens=1]]' }
    const { turn } = await ada.ask(sent, 'message.accepted')
    await ada.next('turn.completed')
    const rate = { type: 'feedback.give', session, turn }
    const first = await ada.ask({ ...rate, rating: 1 }, 'feedback.added')
    const { seq, mark, timeMs } = first
    expect(await ada.ask({ ...rate, rating: 1 }, 'feedback.added')).toMatchObject({ seq, mark, timeMs })
    for (let n = 0; n < 15; n += 1)
      await ada.ask({ ...rate, rating: n % 2 === 0 ? -1 : 1, comment: `${n}` }, 'feedback.added')
    expect(await ada.ask({ ...rate, rating: 0, comment: 'one more' }, 'error')).toMatchObject({
      kind: 'forbidden',
      message: 'this answer was rated 16 times, as often as it may: the last rating counts',
    })
  })
})

/** Sessions with a message each, until one is refused: what it was refused with. */
async function fill(client: WireClient, sessions: string[], content: string): Promise<DownOf<'error'>> {
  for (let n = 0; n < 40; n += 1) {
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    sessions.push(session)
    client.send({ type: 'message.send', id: `send-${n}`, session, messageId: `m-${n}`, content })
    const answer = await client.find((frame) => 'ref' in frame && frame.ref === `send-${n}`, 'an answer')
    if (answer.type === 'error') return answer
    await client.next('turn.completed', (frame) => frame.session === session)
  }
  throw new Error('nothing was refused')
}
