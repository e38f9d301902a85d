import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

/** A way to a TCP server that can be taken away, as a network does it: at once, or without a word. */
export interface CuttableProxy extends AsyncDisposable {
  readonly port: number
  /** Breaks every connection, and whatever is made from now on. */
  cut(): void
  /** Carries nothing any more, in both directions, and leaves all connections open, new ones too. */
  mute(): void
  /** Connections that were made while it was muted. */
  readonly mutedCount: number
  /** New connections work again; those that were muted stay as they are. */
  heal(): void
}

export async function startCuttableProxy(targetPort: number): Promise<CuttableProxy> {
  const open = new Set<Socket>()
  let state: 'open' | 'cut' | 'muted' = 'open'
  let mutedCount = 0
  const keep = (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  }
  const server = createServer((near) => {
    keep(near)
    if (state === 'cut') {
      near.destroy()
      return
    }
    if (state === 'muted') {
      mutedCount += 1
      near.pause()
      return
    }
    const far = createConnection({ port: targetPort, host: '127.0.0.1' })
    keep(far)
    for (const socket of [near, far]) socket.setNoDelay(true)
    near.pipe(far)
    far.pipe(near)
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    port: address.port,
    get mutedCount() {
      return mutedCount
    },
    cut() {
      state = 'cut'
      for (const socket of open) socket.destroy()
    },
    mute() {
      state = 'muted'
      for (const socket of open) socket.unpipe().pause()
    },
    heal() {
      state = 'open'
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
