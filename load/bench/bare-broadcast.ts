/**
 * The floor for one answer with many watchers: a server that sends one and the same frame to all its sockets at a steady
 * pace, with the library alone. `node load/bench/bare-broadcast.ts ws|uws FRAMES_PER_SECOND FRAME_BYTES`.
 */
import { pathToFileURL } from 'node:url'
import { WebSocketServer } from 'ws'

const [library, pace = '', size = ''] = process.argv.slice(2)
const frame = Buffer.alloc(Number(size), 'x')
const everyMs = 1_000 / Number(pace)

/** What is used of uWebSockets.js here. */
interface UwsApp {
  ws(pattern: string, behavior: object): UwsApp
  listen(host: string, port: number, listening: (socket: unknown) => void): UwsApp
}

const send = library === 'uws' ? await startUws() : startWs()
setInterval(send, everyMs)

function startWs(): () => void {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('listening', () => {
    const address = server.address()
    if (typeof address === 'object' && address !== null) tell(address.port)
  })
  return () => {
    for (const client of server.clients) client.send(frame, { binary: false })
  }
}

async function startUws(): Promise<() => void> {
  // The operator's own copy: a package that this project does not have.
  const uws = (await import(pathToFileURL(process.env.SLUICE_UWS_PATH ?? '').href)).default
  const sockets = new Set<{ send(message: Buffer, isBinary: boolean): void }>()
  const app: UwsApp = uws.App()
  app
    .ws('/*', {
      open: (socket: { send(message: Buffer, isBinary: boolean): void }) => sockets.add(socket),
      close: (socket: { send(message: Buffer, isBinary: boolean): void }) => sockets.delete(socket),
    })
    .listen('127.0.0.1', 0, (socket) => tell(uws.us_socket_local_port(socket)))
  return () => {
    for (const socket of sockets) socket.send(frame, false)
  }
}

function tell(port: number): void {
  process.stdout.write(`${JSON.stringify({ listening: `ws://127.0.0.1:${port}/` })}\n`)
}
