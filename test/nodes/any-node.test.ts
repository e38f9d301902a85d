import { expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { TurnReading } from './turn-reading.ts'
import { socketAt, startTwoNodes } from './two-nodes.ts'

/** Long enough to be found in the middle. */
const slow = 'Tell me.\n[[answer=demo tokens=600 tps=150]]'

test('[NODES-1] an answer begun on one node is resumed on the other in mid-stream, watched from both, byte for byte', async () => {
  await using nodes = await startTwoNodes()
  const first = await socketAt(nodes.one)
  const { session } = await first.ask({ type: 'session.open', key: 'k' }, 'session.opened')
  const { turn } = await first.ask({ type: 'message.send', session, messageId: 'm', content: slow }, 'message.accepted')
  const watching = await socketAt(nodes.other)
  await watching.ask({ type: 'session.open', session }, 'session.opened')
  const { seq, mark } = await first.next('turn.started')
  const delta = await first.next('turn.delta', (one) => one.end > 200)
  first.socket.terminate()

  const again = await socketAt(nodes.other)
  const cursor = { seq, mark, turn, attempt: 1, ends: [delta.end] }
  const opened = await again.ask({ type: 'session.open', session, cursor }, 'session.opened')
  expect(opened).toMatchObject({ reset: false, turn: { turn, attempt: 1, ends: [delta.end] } })
  const expected = answerText(slow)
  const resumed = new TurnReading(again, turn, Buffer.from(expected).subarray(0, delta.end), 1)
  const watched = new TurnReading(watching, turn, Buffer.alloc(0), 1)
  for (const reading of [resumed, watched]) {
    expect((await reading.end()).type).toBe('turn.completed')
    expect(reading.text).toBe(expected)
  }
})

test('[NODES-2] a cancel from another node closes the provider’s connection, and every watcher has the same end', async () => {
  await using nodes = await startTwoNodes()
  const asking = await socketAt(nodes.one)
  const { session } = await asking.ask({ type: 'session.open' }, 'session.opened')
  const { turn } = await asking.ask(
    { type: 'message.send', session, messageId: 'm', content: 'Go on.\n[[tokens=100000 tps=100]]' },
    'message.accepted',
  )
  const elsewhere = await socketAt(nodes.other)
  await elsewhere.ask({ type: 'session.open', session }, 'session.opened')
  await elsewhere.next('turn.delta')
  await elsewhere.ask({ type: 'turn.cancel', session, turn }, 'turn.cancelling')
  const [one, other] = await Promise.all([new TurnReading(asking, turn).end(), elsewhere.next('turn.cancelled')])
  expect(one).toMatchObject({ type: 'turn.cancelled', bytes: other.bytes, sha256: other.sha256 })
  await nodes.one.model.waitFor(({ status }) => status === 'closed-by-client')
})

test('[NODES-3] a message sent to two nodes at once is one turn, and a second one is busy on either', async () => {
  await using nodes = await startTwoNodes()
  const one = await socketAt(nodes.one)
  const other = await socketAt(nodes.other)
  const { session } = await one.ask({ type: 'session.open', key: 'same' }, 'session.opened')
  expect((await other.ask({ type: 'session.open', key: 'same' }, 'session.opened')).session).toBe(session)
  const send = { type: 'message.send', session, messageId: 'm', content: slow }
  const [a, b] = await Promise.all([one.ask(send, 'message.accepted'), other.ask(send, 'message.accepted')])
  expect(a).toMatchObject({ turn: b.turn, seq: b.seq })
  for (const client of [one, other])
    expect(await client.ask({ ...send, messageId: 'n' }, 'error')).toMatchObject({ kind: 'busy', retryable: true })
  const ends = await Promise.all([one, other].map((client) => new TurnReading(client, a.turn).end()))
  expect(ends.map(({ type }) => type)).toEqual(['turn.completed', 'turn.completed'])
  const page = await other.ask({ type: 'history.get', session }, 'history.page')
  expect(page.records.map(({ type }) => type)).toEqual(['message.added', 'turn.started', 'turn.completed'])
})

test('[NODES-4] in wait mode a second message waits for the answer before it, on whatever node', async () => {
  await using nodes = await startTwoNodes({ env: { SLUICE_WHEN_BUSY: 'wait' } })
  const one = await socketAt(nodes.one)
  const other = await socketAt(nodes.other)
  const { session } = await one.ask({ type: 'session.open' }, 'session.opened')
  const first = await one.ask({ type: 'message.send', session, messageId: 'm', content: slow }, 'message.accepted')
  const second = await other.ask(
    { type: 'message.send', session, messageId: 'n', content: 'And then?\n[[answer=echo]]' },
    'message.accepted',
  )
  expect(second.turn).not.toBe(first.turn)
  await other.next('turn.completed', ({ turn }) => turn === second.turn)
  const page = await one.ask({ type: 'history.get', session }, 'history.page')
  expect(page.records.map(({ type }) => type)).toEqual([
    'message.added',
    'turn.started',
    'turn.completed',
    'message.added',
    'turn.started',
    'turn.completed',
  ])
})

test('[NODES-5] erasing a session tells who watches it on every node, ends its turn, and leaves no key', async () => {
  await using nodes = await startTwoNodes()
  const one = await socketAt(nodes.one)
  const other = await socketAt(nodes.other)
  const { session } = await one.ask({ type: 'session.open' }, 'session.opened')
  await one.ask(
    { type: 'message.send', session, messageId: 'm', content: 'Go on.\n[[tokens=100000 tps=100]]' },
    'message.accepted',
  )
  await other.ask({ type: 'session.open', session }, 'session.opened')
  await other.next('turn.delta')
  await other.ask({ type: 'session.delete', session }, 'session.deleted')
  await one.next('session.deleted')
  await nodes.one.model.waitFor(({ status }) => status === 'closed-by-client')
  expect(await nodes.redis.client.keys(`*${session}*`)).toEqual([])
})

test('[NODES-6] development mode has one secret for all nodes of a store', async () => {
  await using nodes = await startTwoNodes()
  const token = await nodes.one.token('ada')
  const answer = await fetch(`${nodes.other.httpUrl}/v1/sessions`, { headers: { authorization: `Bearer ${token}` } })
  expect(answer.status).toBe(200)
})

function answerText(content: string): string {
  const request = { model: 'sluice-demo', messages: [{ role: 'user', content }] }
  return answerFor(request).text
}
