import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import { type AnswerResult, createClient, type SluiceClient } from '../../client/index.ts'
import { initialState, step } from '../../client/step.ts'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import { type Ended, type Ending, endingOf } from '../../protocol/ending.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { policyOf, targetAt } from '../support/policy.ts'
import { welcome } from './gateway-model.ts'

/** How answers end for an application: in one word, with the text that was shown. */

const slow = 'Tell me.\n[[answer=demo tokens=4000 tps=200]]'

const open: SluiceClient[] = []
afterEach(() => {
  for (const client of open.splice(0)) client.close()
})

function clientOf(url: string, getToken: () => Promise<string>): SluiceClient {
  const client = createClient({ url, getToken, limits: { backoffBaseMs: 20, backoffCapMs: 100 } })
  open.push(client)
  client.connect()
  return client
}

/** Asks, and reads some of the answer; then `end` happens, and the rest is read. */
async function ask(client: SluiceClient, end: (session: string) => Promise<unknown> | unknown) {
  const session = client.newSession()
  const answer = session.send(slow)
  let read = ''
  let isOver = false
  for await (const piece of answer) {
    read += piece
    if (isOver || read.length < 300) continue
    isOver = true
    await end(session.id ?? '')
  }
  const result = await answer.result
  return { read, result, view: session.view, turn: session.view.turns.at(-1) }
}

describe('in mid-answer', () => {
  let model: ModelServer
  beforeAll(async () => {
    model = await startModelServer()
  })
  afterAll(() => model.close())

  test('[CLIENT-361] a node with its sessions in memory is killed: the text stays, and is said to be lost', {
    timeout: 60_000,
  }, async () => {
    const env = { OPENAI_BASE_URL: model.url, SLUICE_MODEL: 'sluice-demo' }
    const first = await startGatewayProcess(env)
    await using _first = first
    let node: GatewayProcess = first
    const client = clientOf(first.url, () => node.token('ada'))
    await using _rest = { [Symbol.asyncDispose]: () => node.kill() }
    const { read, result, view, turn } = await ask(client, async () => {
      await first.kill()
      node = await startGatewayProcess({ ...env, PORT: String(first.port) })
    })
    expect(read.length).toBeGreaterThanOrEqual(300)
    expect(result).toMatchObject({
      kind: 'failed',
      ending: 'lost',
      text: read,
      bytes: Buffer.byteLength(read),
      error: { kind: 'not-found' },
    })
    expect(view.state).toBe('lost')
    expect(turn).toMatchObject({ state: 'failed', ending: 'lost', text: read })
  })

  describe('its session goes', () => {
    let gateway: TestGateway
    beforeAll(async () => {
      gateway = await startTestGateway()
    })
    afterAll(() => gateway[Symbol.asyncDispose]())

    test('[CLIENT-362] deleted by the user on another device', async () => {
      const client = clientOf(gateway.url, () => gateway.token('ada'))
      const other = clientOf(gateway.url, () => gateway.token('ada'))
      const { read, result, view, turn } = await ask(client, (session) => other.session(session).delete())
      expect(result).toMatchObject({
        kind: 'failed',
        ending: 'deleted',
        text: read,
        error: { kind: 'not-found', message: 'the session was deleted' },
      })
      expect(view.state).toBe('deleted')
      expect(turn).toMatchObject({ state: 'failed', ending: 'deleted', text: read })
    })

    test('[CLIENT-363] the client is closed: the result has the text that came', async () => {
      const client = clientOf(gateway.url, () => gateway.token('ada'))
      const { read, result } = await ask(client, () => client.close())
      expect(result).toMatchObject({ kind: 'failed', ending: 'failed', text: read })
      expect(read.length).toBeGreaterThanOrEqual(300)
    })

    test('[CLIENT-363] the handle is closed: the result has the text that came', async () => {
      const client = clientOf(gateway.url, () => gateway.token('ada'))
      const session = client.newSession()
      const answer = session.send(slow)
      let read = ''
      for await (const piece of answer) {
        read += piece
        if (read.length >= 300) session.close()
      }
      expect(await answer.result).toMatchObject({ kind: 'failed', text: read })
    })
  })
})

test.each([
  ['expired', 'deleted', 'the session was deleted for its age'],
  ['erased', 'deleted', 'the session was deleted'],
  [undefined, 'deleted', 'the session was deleted'],
  ['lost', 'lost', 'the gateway lost the session'],
] as const)('[CLIENT-362] the gateway deletes the session in mid-answer: %s', (reason, ending, message) => {
  const at = { nowMs: 1_000, roll: 0 }
  const record = { session: 's', mark: 7, timeMs: 1, turn: 't' }
  let state = initialState()
  for (const input of [
    { type: 'connect' },
    { type: 'token', ticket: 1, token: 't' },
    { type: 'socket-opened', socket: 2 },
    { type: 'frame', socket: 2, frame: welcome },
    { type: 'watch', local: 'l', target: { id: 's' } },
  ] as const)
    state = step(state, { ...at, ...input }).state
  const [ref = ''] = [...state.inFlight.keys()]
  const frames = [
    {
      type: 'session.opened',
      ref,
      session: 's',
      seq: 0,
      mark: 0,
      reset: false,
      hasMore: false,
      records: [],
      createdMs: 1,
    },
    { ...record, type: 'message.added', seq: 1, message: { messageId: 'm', content: 'hi' } },
    { ...record, type: 'turn.started', seq: 2, attempt: 1, model: 'x' },
    { type: 'turn.delta', session: 's', turn: 't', attempt: 1, part: 0, at: 0, end: 4, text: 'Half' },
    { type: 'session.deleted', session: 's', ...(reason && { reason }) },
  ]
  // Frames as a gateway writes them.
  for (const frame of frames) state = step(state, { ...at, type: 'frame', socket: 2, frame: frame as never }).state
  const session = state.sessions.get('l')
  expect(session?.turns.at(-1)).toMatchObject({ state: 'failed', ending, text: 'Half', error: { message } })
  expect(session).toMatchObject({ phase: { kind: 'ended', how: ending }, error: { message } })
})

describe('the word for it', () => {
  const table: readonly (readonly [Partial<Ended>, Ending])[] = [
    [{}, 'whole'],
    [{ finishReason: 'other' }, 'whole'],
    [{ text: '' }, 'empty'],
    [{ text: ' \n\u00a0' }, 'empty'],
    [{ text: '', finishReason: 'length' }, 'empty'],
    [{ finishReason: 'length' }, 'length'],
    [{ finishReason: 'content_filter' }, 'filtered'],
    [{ finishReason: 'content_filter', text: '' }, 'filtered'],
    [{ finishReason: 'offline' }, 'offline'],
    [{ kind: 'cancelled', finishReason: 'cancelled' }, 'cancelled'],
    [{ kind: 'cancelled', finishReason: 'cancelled', text: '' }, 'cancelled'],
    [{ kind: 'failed', finishReason: 'error', error: { kind: 'filtered' } }, 'filtered'],
    [{ kind: 'failed', finishReason: 'error', error: { kind: 'provider' } }, 'failed'],
    [{ kind: 'failed', finishReason: 'error', error: { kind: 'too-large' }, text: '' }, 'failed'],
  ]
  it.each(table)('[CLIENT-360] %j is %s', (ended, ending) => {
    expect(endingOf({ kind: 'completed', finishReason: 'stop', text: 'Hello', ...ended })).toBe(ending)
  })
})

describe('of real answers', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      policy: (policy) => {
        const url = policy.targets.values().next().value?.baseUrl ?? ''
        const nowhere = targetAt('nowhere', 'http://127.0.0.1:9/v1')
        const { models, targets, ...rest } = policyOf([targetAt('test', url), nowhere])
        const demo = [{ target: 'test', tier: 0, weight: 1 }]
        const away = { targets: [{ target: 'nowhere', tier: 0, weight: 1 }], offline: 'Nobody is here.' }
        return {
          ...policy,
          ...rest,
          targets,
          models: new Map([...models, ['sluice-demo', { targets: demo }], ['away', away]]),
        }
      },
    })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const answers = [
    ['hi', 'whole', 200],
    ['[[fault=filtered tokens=20]]\nhi', 'filtered', 200],
    ['[[fault=error-in-200 tokens=20]]\nhi', 'failed', 502],
    ['', 'offline', 200],
  ] as const

  it.each(answers)('[CLIENT-360] %j ends as %s', async (content, ending) => {
    const client = clientOf(gateway.url, () => gateway.token('ada'))
    const session = client.newSession()
    const answer = session.send(content || 'away', content ? {} : { model: 'away' })
    const result: AnswerResult = await answer.result
    expect(result.ending).toBe(ending)
    expect(session.view.turns.at(-1)?.ending).toBe(ending)
  })

  it.each(answers)('[HTTP-360] %j ends as %s', async (content, ending, status) => {
    const headers = { authorization: `Bearer ${await gateway.token('ada')}`, 'content-type': 'application/json' }
    const made = await fetch(`${gateway.httpUrl}/v1/sessions`, { method: 'POST', headers, body: '{}' })
    const { session } = (await made.json()) as { session: string }
    const body = JSON.stringify({ messageId: 'm', content: content || 'away', ...(!content && { model: 'away' }) })
    const answer = await fetch(`${gateway.httpUrl}/v1/sessions/${session}/messages`, { method: 'POST', headers, body })
    expect(answer.status).toBe(status)
    expect(await answer.json()).toMatchObject({ ending })
  })
})
