/**
 * deploy/nginx.conf in a real nginx, in front of two scripted nodes: what it does with sockets, events, lost nodes and
 * requests that must not be made twice. In CI a missing nginx fails before any test.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { type WebSocket, WebSocket as WebSocketClient, WebSocketServer } from 'ws'
import { RawClient } from '../gateway/transport/clients.ts'
import { type Balancer, hasNginx, startBalancer } from '../support/balancer.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown

/** A node that keeps what it was asked and answers as the test says. */
class ScriptedNode {
  readonly asked: IncomingMessage[] = []
  readonly sockets = new Set<WebSocket>()
  readonly #server: Server
  answer: Answer = (_request, response) => response.end('ok')

  constructor() {
    this.#server = createServer((request, response) => {
      this.asked.push(request)
      request.resume().on('end', () => this.answer(request, response))
    })
    new WebSocketServer({ server: this.#server }).on('connection', (socket, request) => {
      this.asked.push(request)
      this.sockets.add(socket.on('message', (data) => socket.send(String(data))))
    })
  }

  async listen(port = 0): Promise<number> {
    await once(this.#server.listen(port, '127.0.0.1'), 'listening')
    const address = this.#server.address()
    return address === null || typeof address === 'string' ? 0 : address.port
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.terminate()
    this.#server.closeAllConnections()
    if (this.#server.listening) await once(this.#server.close(), 'close')
  }
}

const open: AsyncDisposable[] = []

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

interface Stage {
  readonly nodes: readonly [ScriptedNode, ScriptedNode]
  readonly ports: readonly [number, number]
  readonly balancer: Balancer
  readonly url: string
}

async function stage(): Promise<Stage> {
  const nodes = [new ScriptedNode(), new ScriptedNode()] as const
  for (const node of nodes) open.push({ [Symbol.asyncDispose]: () => node.close() })
  const ports = [await nodes[0].listen(), await nodes[1].listen()] as const
  const balancer = await startBalancer(ports)
  open.push(balancer)
  return { nodes, ports, balancer, url: `http://127.0.0.1:${balancer.port}` }
}

async function connectSocket(url: string): Promise<WebSocketClient> {
  const socket = new WebSocketClient(url.replace('http', 'ws'), 'sluice.v1')
  await once(socket, 'open')
  return socket
}

describe.runIf(hasNginx)('nginx in front of two nodes', () => {
  test('[DEPLOY-4] sockets go through, half of them to each node', async () => {
    const { nodes, url } = await stage()
    const clients: WebSocketClient[] = []
    for (let count = 0; count < 6; count += 1) {
      const client = await connectSocket(`${url}/v1/socket`)
      clients.push(client)
      client.send(`frame ${count}`)
      const [echo] = await once(client, 'message')
      expect(String(echo)).toBe(`frame ${count}`)
    }
    expect(nodes.map((node) => node.sockets.size)).toEqual([3, 3])
    // A node that lost its sockets gets the next ones.
    for (const socket of nodes[0].sockets) socket.terminate()
    await expect.poll(() => clients.filter((client) => client.readyState === client.CLOSED).length).toBe(3)
    nodes[0].sockets.clear()
    for (let count = 0; count < 3; count += 1) await connectSocket(`${url}/v1/socket`)
    expect(nodes.map((node) => node.sockets.size)).toEqual([3, 3])
  })

  test('[DEPLOY-5] a node that is gone costs nobody anything: the other is asked', async () => {
    const { nodes, url } = await stage()
    await nodes[0].close()
    for (let count = 0; count < 6; count += 1) {
      const answer = await fetch(`${url}/v1/sessions`, { method: 'POST', body: '{}' })
      expect(answer.status).toBe(200)
    }
    await connectSocket(`${url}/v1/socket`)
    expect(nodes[1].asked.length).toBe(7)
  })

  test('[DEPLOY-9] a node that was gone gets every socket as soon as it is back, also when the other one goes at once', async () => {
    const { nodes, ports, url } = await stage()
    await nodes[0].close()
    await connectSocket(`${url}/v1/socket`)
    await nodes[0].listen(ports[0])
    await nodes[1].close()
    for (let count = 0; count < 5; count += 1) await connectSocket(`${url}/v1/socket`)
    expect(nodes[0].sockets.size).toBe(5)
  })

  test('[DEPLOY-6] what a node may have taken is not posted to another; what only reads is asked again', async () => {
    const { nodes, url } = await stage()
    for (const node of nodes) node.answer = (request) => request.socket.destroy()
    const posted = await fetch(`${url}/v1/sessions`, { method: 'POST', body: '{}' })
    expect(posted.status).toBe(502)
    expect(nodes.flatMap((node) => node.asked).length).toBe(1)
    const { nodes: others, url: other } = await stage()
    others[0].answer = (request) => request.socket.destroy()
    for (let count = 0; count < 4; count += 1) expect((await fetch(`${other}/v1/sessions`)).status).toBe(200)
  })

  test('[DEPLOY-7] an event is with the client before the next one is made', async () => {
    const { nodes, url } = await stage()
    const responses: ServerResponse[] = []
    for (const node of nodes)
      node.answer = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 0\n\n')
        responses.push(response)
      }
    const answer = await fetch(`${url}/v1/sessions/s/turns/t/events`)
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let count = 0; count < 3; count += 1) {
      expect((await reader?.read())?.value).toBe(`data: ${count}\n\n`)
      responses[0]?.write(`data: ${count + 1}\n\n`)
    }
    await reader?.cancel()
  })

  test('[DEPLOY-7] a node feels that its client does not read: nginx stores no answer', async () => {
    const { nodes, url } = await stage()
    let isTaken = false
    for (const node of nodes)
      node.answer = (request, response) => {
        if (request.url === '/small') return response.end('small')
        response.on('finish', () => {
          isTaken = true
        })
        // More than the sockets between hold.
        return response.end(Buffer.alloc(64 * 1024 * 1024))
      }
    const large = await fetch(`${url}/large`)
    // Long enough for nginx to have swallowed it, if it did: so many requests went by meanwhile.
    for (let count = 0; count < 200; count += 1) await (await fetch(`${url}/small`)).text()
    expect(isTaken).toBe(false)
    expect((await large.arrayBuffer()).byteLength).toBe(64 * 1024 * 1024)
    expect(isTaken).toBe(true)
  })

  test('[DEPLOY-8] a node sees the host as it was asked for, and every address on the way', async () => {
    const { nodes, balancer, url } = await stage()
    await fetch(url, { headers: { 'x-forwarded-for': '203.0.113.7' } })
    const [asked] = nodes.flatMap((node) => node.asked)
    expect(asked?.headers).toMatchObject({
      host: `127.0.0.1:${balancer.port}`,
      'x-forwarded-for': '203.0.113.7, 127.0.0.1',
      'x-forwarded-proto': 'http',
    })
  })

  test('[DEPLOY-328] a probe in HTTP/1.0 without a host has one when it is passed on', async () => {
    const { nodes, balancer } = await stage()
    const raw = new RawClient(balancer.port, 'GET /readyz HTTP/1.0\r\n\r\n')
    await raw.seen('200 OK')
    raw.tcp.destroy()
    expect(nodes.flatMap((node) => node.asked).map(({ headers, httpVersion }) => [headers.host, httpVersion])).toEqual([
      ['sluice', '1.1'],
    ])
  })

  test('[DEPLOY-8] what is for operators is not there, and no query is in the log', async () => {
    const { nodes, balancer, url } = await stage()
    expect((await fetch(`${url}/v1/admin/node`)).status).toBe(404)
    expect(nodes.flatMap((node) => node.asked)).toEqual([])
    await fetch(`${url}/v1/sessions?token=secret-token`)
    await expect.poll(balancer.accessLog).toContain('GET /v1/sessions 200')
    expect(balancer.accessLog()).not.toContain('secret-token')
  })
})
