import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

/** A gateway-in-the-middle: what the gateway sends goes through `change`, which answers what is passed on instead. */
export interface ChangingProxy extends AsyncDisposable {
  /** ws://127.0.0.1:PORT/v1/socket */
  readonly url: string
}

export async function startChangingProxy(
  gatewayUrl: string,
  change: (frame: string) => readonly string[],
): Promise<ChangingProxy> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(server, 'listening')
  server.on('connection', (client) => {
    const gateway = new WebSocket(gatewayUrl, 'sluice.v1')
    const early: string[] = []
    client.on('message', (data) => {
      if (gateway.readyState === WebSocket.OPEN) gateway.send(String(data))
      else early.push(String(data))
    })
    gateway.on('open', () => {
      for (const frame of early.splice(0)) gateway.send(frame)
    })
    gateway.on('message', (data) => {
      for (const frame of change(String(data))) client.send(frame)
    })
    client.on('close', () => gateway.close())
    gateway.on('close', () => client.close())
    for (const socket of [client, gateway]) socket.on('error', () => socket.terminate())
  })
  // A server that listens on TCP has a port.
  const { port } = server.address() as AddressInfo
  return {
    url: `ws://127.0.0.1:${port}/v1/socket`,
    async [Symbol.asyncDispose]() {
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}
