import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { type WebSocket, WebSocketServer, WebSocket as WsSocket } from 'ws'
import { createClient, type SluiceClient, SluiceError, type WebSocketClass } from '../../client/index.ts'
import { GatewayModel, ModelSocket } from './gateway-model.ts'

/** The model of the gateway behind a real server, so that the shell is tried on real sockets. */
async function serve(gateway: GatewayModel): Promise<{ url: string; drop(): void; close(): void; flush(): void }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'sluice.v1' })
  const wires = new Map<WebSocket, ModelSocket>()
  const flush = () => {
    gateway.publish()
    for (const [wire, model] of wires) {
      for (let frame = model.down.shift(); frame !== undefined; frame = model.down.shift())
        wire.send(JSON.stringify(frame))
    }
  }
  server.on('connection', (wire) => {
    const model = new ModelSocket()
    wires.set(wire, model)
    gateway.sockets.add(model)
    wire.on('message', (data) => {
      gateway.receive(model, JSON.parse(String(data)))
      flush()
    })
    wire.on('close', () => {
      wires.delete(wire)
      gateway.sockets.delete(model)
    })
  })
  await new Promise((resolve) => server.once('listening', resolve))
  // A server on a port has an address that is an object.
  const { port } = server.address() as AddressInfo
  const drop = () => {
    for (const wire of wires.keys()) wire.terminate()
  }
  return { url: `http://127.0.0.1:${port}`, drop, flush, close: () => server.close() }
}

const closing: (() => void)[] = []
afterEach(() => {
  for (const close of closing.splice(0)) close()
})

async function start(WebSocket?: WebSocketClass) {
  const gateway = new GatewayModel()
  const server = await serve(gateway)
  const limits = { backoffBaseMs: 10, backoffCapMs: 20 }
  const options = { url: server.url, getToken: () => 'token', limits }
  const client: SluiceClient = createClient(WebSocket === undefined ? options : { ...options, WebSocket })
  closing.push(() => client.close(), server.drop, server.close)
  client.connect()
  return { gateway, server, client }
}

describe('the client on real sockets', () => {
  for (const [name, WebSocketOf] of [
    ['the global WebSocket', undefined],
    ['ws', WsSocket as unknown as WebSocketClass],
  ] as const) {
    it(`[CLIENT-50] streams, loses its socket and goes on, with ${name}`, async () => {
      const { gateway, server, client } = await start(WebSocketOf)
      const session = client.newSession()
      const answer = session.send('hello')
      const pieces: string[] = []
      let log = gateway.sessions.get('S1')
      const accepted = new Promise<void>((resolve) => {
        session.subscribe((view) => {
          if (view.turns[0]?.state === 'pending') resolve()
        })
      })
      await accepted
      log = gateway.sessions.get('S1')
      if (log === undefined) throw new Error('no session was made')
      for (const text of ['one ', 'two ', 'three']) {
        gateway.write(log, text)
        server.flush()
        pieces.push(text)
        server.drop()
      }
      const back = new Promise<void>((resolve) => {
        session.subscribe((view) => {
          if (view.state === 'live' && view.turns[0]?.text === pieces.join('')) resolve()
        })
      })
      await back
      gateway.end(log, 'turn.completed')
      server.flush()
      expect((await collect(answer)).join('')).toBe('one two three')
      expect(await answer.result).toMatchObject({ kind: 'completed', text: 'one two three', bytes: 13 })
      expect(session.view.turns).toMatchObject([{ content: 'hello', state: 'completed', text: 'one two three' }])
      expect(client.stats).toMatchObject({ reopens: 0, resets: 0, malformed: 0 })
      expect(client.stats.reconnects).toBeGreaterThan(0)
      expect(session.id).toBe('S1')
    })
  }

  it('[CLIENT-51] calls are answered or rejected with a kind', async () => {
    const { client } = await start()
    expect(await client.listSessions()).toMatchObject({ sessions: [] })
    await expect(client.session('nobody').update({ title: 'x' })).rejects.toThrow(SluiceError)
  })

  it('[CLIENT-52] closing ends what waits, and connecting again works', async () => {
    const { client } = await start()
    const session = client.newSession()
    const answer = session.send('hello')
    client.close()
    expect(await answer.result).toMatchObject({ kind: 'failed', error: { kind: 'unavailable' } })
    expect(client.state).toMatchObject({ kind: 'stopped', code: 1000 })
    const online = new Promise<void>((resolve) => client.subscribe(({ kind }) => kind === 'online' && resolve()))
    client.connect()
    await online
  })
})

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}
