import { createHmac } from 'node:crypto'
import { connect as connectTcp } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`

/**
 * The table of docs/PROTOCOL.md, "Bad input": what each costs, on each transport. Its rows on bad claims and on addresses are
 * in access.test.ts, those on strangers' sessions and repeated messages in chat.test.ts.
 */
describe.each(testedTransports)('bad input over %s', (transport) => {
  let gateway: TestGateway

  beforeAll(async () => {
    gateway = await startTestGateway({ transport, env: { SLUICE_HELLO_DEADLINE_MS: '1000' } })
  })

  afterAll(async () => {
    expect(gateway.telemetry.troubles).toEqual([])
    await gateway[Symbol.asyncDispose]()
  })

  const connect = async (subject = 'ada') => WireClient.connect(gateway.url, await gateway.token(subject))

  /** The socket still does what it should. */
  const works = async (client: WireClient) => {
    await client.ask({ type: 'ping' }, 'pong')
    client.close()
  }

  test.each([
    ['not JSON', '{"type":'],
    ['not an object', '[1,2]'],
    ['null', 'null'],
    ['no type', '{"id":"a"}'],
    ['an unknown type', '{"type":"session.fly","id":"a"}'],
    ['a wrong type', '{"type":"session.open","id":"a","session":7}'],
    ['null for a missing value', '{"type":"session.open","id":"a","session":null}'],
    ['an id that is none', '{"type":"ping","id":"a b"}'],
    ['a number that is none', '{"type":"history.get","id":"a","session":"s","before":1.5}'],
    ['a number above 2^53', '{"type":"turn.read","id":"a","session":"s","turn":"t","part":0,"at":9007199254740993}'],
    ['empty content', '{"type":"message.send","id":"a","session":"s","messageId":"m","content":""}'],
    ['deep nesting, alone', deep],
    ['deep nesting in the type', `{"type":${deep}}`],
    ['deep nesting in a field', `{"type":"session.update","id":"a","session":"s","metadata":{"x":${deep}}}`],
    [
      '__proto__ as a key of metadata',
      '{"type":"session.update","id":"a","session":"s","metadata":{"__proto__":{"x":1},"1":2}}',
    ],
  ])('[BAD-1] %s is refused as invalid, and the socket goes on', async (_, text) => {
    const client = await connect()
    client.socket.send(text)
    expect(await client.next('error')).toMatchObject({ kind: 'invalid', retryable: false })
    await works(client)
  })

  test('[BAD-121] deep nesting in a field that nobody knows is refused too, and refers to the request', async () => {
    const client = await connect()
    client.socket.send(`{"type":"ping","id":"deep","x":${deep}}`)
    expect(await client.next('error')).toMatchObject({ ref: 'deep', kind: 'invalid' })
    await works(client)
  })

  test('[BAD-1] a second hello is refused as invalid, and the socket goes on', async () => {
    const client = await connect()
    client.send({ type: 'hello', token: await gateway.token('bob') })
    expect(await client.next('error')).toMatchObject({ kind: 'invalid' })
    await works(client)
  })

  test('[BAD-2] a refusal refers to the request, where its id can be read', async () => {
    const client = await connect()
    client.send({ type: 'session.open', id: 'here', session: 7 })
    expect(await client.next('error')).toMatchObject({
      ref: 'here',
      kind: 'invalid',
      message: expect.stringContaining('session'),
    })
    await works(client)
  })

  test('[BAD-3] a binary frame is refused as invalid, and the socket goes on', async () => {
    const client = await connect()
    client.socket.send(Buffer.from('{"type":"ping","id":"a"}'))
    expect(await client.next('error')).toMatchObject({ kind: 'invalid', message: expect.stringContaining('binary') })
    await works(client)
  })

  test('[BAD-4] content above the limit is too-large, and the socket goes on', async () => {
    const client = await connect()
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const refused = await client.ask(
      { type: 'message.send', session, messageId: 'm', content: 'x'.repeat(128 * 1024 + 1) },
      'error',
    )
    expect(refused).toMatchObject({ kind: 'too-large', retryable: false })
    await client.ask(
      { type: 'message.send', session, messageId: 'm', content: 'x'.repeat(128 * 1024) },
      'message.accepted',
    )
    // 100,000 bytes, of which each takes six in JSON.
    const controls = { type: 'message.send', session, messageId: 'c', content: '\u0001'.repeat(100_000) }
    expect(await client.ask(controls, 'error')).toMatchObject({ kind: 'too-large', retryable: false })
    await works(client)
  })

  test('[BAD-5] a frame above 1 MiB loses the socket: 1009 on ws, 1006 on uws', async () => {
    const client = await connect()
    client.socket.send(JSON.stringify({ type: 'ping', id: 'a', filler: 'x'.repeat(1024 * 1024) }))
    expect((await client.closed).code).toBe(transport === 'ws' ? 1009 : 1006)
  })

  test('[BAD-6] text that is not UTF-8 loses the socket: 1007 on ws, 1006 on uws', async () => {
    const client = await connect()
    client.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false })
    expect((await client.closed).code).toBe(transport === 'ws' ? 1007 : 1006)
  })

  test('[BAD-7] frames too fast are refused as rate-limited; a flood is closed with 4100', async () => {
    const client = await connect()
    for (let n = 0; n < 2_000; n++) client.send({ type: 'ping', id: `p${n}` })
    expect(await client.next('error', ({ kind }) => kind === 'rate-limited')).toMatchObject({ retryable: true })
    expect((await client.closed).code).toBe(closeCodes.tooFast)
  })

  test('[BAD-8] frames that are none, again and again, are closed with 4501', async () => {
    const client = await connect()
    for (let n = 0; n < 30; n++) client.socket.send('nonsense')
    expect((await client.closed).code).toBe(closeCodes.tooManyErrors)
  })

  test('[BAD-9] no hello is closed with 4003, another first frame with 4500', async () => {
    const silent = new WireClient(gateway.url)
    await silent.opened()
    expect((await silent.closed).code).toBe(closeCodes.helloTimeout)
    const hasty = new WireClient(gateway.url)
    await hasty.opened()
    hasty.send({ type: 'ping', id: 'a' })
    expect(await hasty.next('error')).toMatchObject({ kind: 'invalid' })
    expect((await hasty.closed).code).toBe(closeCodes.protocol)
  })

  test.each([
    ['garbage', () => 'garbage', closeCodes.unauthenticated],
    ['no token', () => undefined, closeCodes.unauthenticated],
    ['alg:none', () => unsigned({ alg: 'none', typ: 'JWT' }), closeCodes.unauthenticated],
    ['forged', () => signed('not the secret of this gateway, but long'), closeCodes.unauthenticated],
  ])('[BAD-10] hello with a token that is %s is unauthenticated and closed with 4400', async (_, token, code) => {
    const client = new WireClient(gateway.url)
    await client.opened()
    client.send({ type: 'hello', ...(token() === undefined ? {} : { token: token() }) })
    expect(await client.next('error')).toMatchObject({ kind: 'unauthenticated' })
    expect((await client.closed).code).toBe(code)
  })

  test('[BAD-11] a token in the URL is refused with 4503, whatever hello says', async () => {
    const client = new WireClient(`${gateway.url}?token=${await gateway.token('ada')}`)
    expect((await client.closed).code).toBe(closeCodes.tokenInUrl)
  })

  test("[BAD-12] a page of another origin is closed with 4502; the page's own is welcome", async () => {
    const foreign = new WireClient(gateway.url, { headers: { Origin: 'https://evil.example' } })
    expect((await foreign.closed).code).toBe(closeCodes.originNotAllowed)
    const own = new WireClient(gateway.url, { headers: { Origin: gateway.httpUrl } })
    await own.opened()
    own.send({ type: 'hello', token: await gateway.token('ada') })
    await own.next('welcome')
    own.close()
  })

  test('[BAD-13] an unknown session, turn or page is not-found or invalid, and the socket goes on', async () => {
    const client = await connect()
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    expect((await client.ask({ type: 'session.open', session: 'none' }, 'error')).kind).toBe('not-found')
    expect((await client.ask({ type: 'turn.cancel', session, turn: 'none' }, 'error')).kind).toBe('not-found')
    expect((await client.ask({ type: 'turn.read', session, turn: 'none', part: 0, at: 0 }, 'error')).kind).toBe(
      'not-found',
    )
    expect((await client.ask({ type: 'feedback.give', session, turn: 'none', rating: 1 }, 'error')).kind).toBe(
      'not-found',
    )
    expect((await client.ask({ type: 'session.list', before: 'none' }, 'error')).kind).toBe('invalid')
    expect((await client.ask({ type: 'session.open', prompt: 'none' }, 'error')).kind).toBe('invalid')
    const notLast = { type: 'message.send', session, messageId: 'm', content: 'hi', replaces: 'none' }
    expect((await client.ask(notLast, 'error')).kind).toBe('conflict')
    await works(client)
  })

  test('[BAD-17] another model than the one that is offered is invalid, and the socket goes on', async () => {
    await using real = await startTestGateway({ transport, env: { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' } })
    const client = await WireClient.connect(real.url, await real.token('ada'))
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const message = { type: 'message.send', session, messageId: 'm', content: 'hi', model: 'another' }
    expect(await client.ask(message, 'error')).toMatchObject({ kind: 'invalid', retryable: false })
    await works(client)
  })

  test('[BAD-14] as many sockets as a subject may have, and one more is closed with 4101', async () => {
    const few = await startTestGateway({
      transport,
      env: { SLUICE_SOCKETS_PER_SUBJECT: '2', SLUICE_WATCHED_SESSIONS: '1' },
    })
    const token = await few.token('ada')
    const clients = [await WireClient.connect(few.url, token), await WireClient.connect(few.url, token)]
    const third = new WireClient(few.url)
    await third.opened()
    third.send({ type: 'hello', token })
    expect((await third.closed).code).toBe(closeCodes.tooManySockets)
    const other = await WireClient.connect(few.url, await few.token('bob'))
    await other.ask({ type: 'session.open' }, 'session.opened')
    expect((await other.ask({ type: 'session.open' }, 'error')).kind).toBe('busy')
    clients[0]?.close()
    await clients[0]?.closed
    const again = await WireClient.connect(few.url, token)
    for (const client of [...clients, other, again]) client.close()
    await few[Symbol.asyncDispose]()
  })

  test('[BAD-16] as many sessions as a subject may have, and one more is forbidden; others are not touched', async () => {
    const few = await startTestGateway({ transport, env: { SLUICE_SESSIONS_PER_SUBJECT: '1' } })
    const [ada, bob] = await Promise.all(
      ['ada', 'bob'].map(async (s) => WireClient.connect(few.url, await few.token(s))),
    )
    await ada?.ask({ type: 'session.open' }, 'session.opened')
    expect(await ada?.ask({ type: 'session.open' }, 'error')).toMatchObject({ kind: 'forbidden', retryable: false })
    await bob?.ask({ type: 'session.open' }, 'session.opened')
    await few[Symbol.asyncDispose]()
  })

  test('[BAD-15] a connection that is no WebSocket at all costs nobody anything', async () => {
    const before = await connect()
    const tcp = connectTcp(gateway.gateway.port, '127.0.0.1')
    tcp.write('GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    await new Promise((resolve) => tcp.once('data', resolve))
    tcp.destroy()
    await works(before)
  })
})

function unsigned(header: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part(header)}.${part({ sub: 'ada', exp: Math.floor(Date.now() / 1000) + 60 })}.`
}

function signed(secret: string): string {
  const head = unsigned({ alg: 'HS256', typ: 'JWT' }).slice(0, -1)
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`
}
