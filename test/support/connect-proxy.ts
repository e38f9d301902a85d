/**
 * An HTTP proxy on loopback that alone can resolve the names a test gives it: `CONNECT` for tunnels, absolute addresses in
 * the request line else.
 */
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface ConnectProxyOptions {
  /** Ports on 127.0.0.1 by the name that is asked for. */
  readonly names: Readonly<Record<string, number>>
  /** `user:password` that it wants; default: nobody is asked. */
  readonly credentials?: string
}

export interface ConnectProxy extends AsyncDisposable {
  readonly port: number
  /** `CONNECT host:port` or `POST http://host:port/path`, as they came. */
  readonly asked: string[]
}

export async function startConnectProxy({ names, credentials }: ConnectProxyOptions): Promise<ConnectProxy> {
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const isAllowed = ({ headers }: IncomingMessage) =>
    credentials === undefined ||
    headers['proxy-authorization'] === `Basic ${Buffer.from(credentials).toString('base64')}`
  const forward = (incoming: IncomingMessage, response: ServerResponse) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    const url = new URL(incoming.url ?? '', 'http://nobody.invalid')
    const port = names[url.hostname]
    if (!isAllowed(incoming)) return void response.writeHead(407).end()
    if (port === undefined) return void response.writeHead(502).end()
    const { method, headers } = incoming
    const outgoing = request(
      { port, host: '127.0.0.1', method, path: url.pathname + url.search, headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(response)
      },
    )
    outgoing.on('error', () => response.destroy())
    incoming.pipe(outgoing)
  }
  const server: Server = createServer(forward)
  server.on('connect', (incoming: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${incoming.url}`)
    const port = names[(incoming.url ?? '').replace(/:\d+$/, '')]
    if (!isAllowed(incoming)) return void socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    if (port === undefined) return void socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n')
    const upstream = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      upstream.pipe(socket)
      socket.pipe(upstream)
    })
    upstream.on('error', () => socket.destroy())
    socket.on('error', () => upstream.destroy())
    socket.on('close', () => upstream.destroy())
  })
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    // A listening TCP server has an address of this kind.
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
