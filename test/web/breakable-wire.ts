import type { AddressInfo } from 'node:net'
import { connect, createServer, type Server, type Socket } from 'node:net'

/**
 * The network between a browser and a gateway, as something that breaks: it passes bytes on, cuts the WebSockets that
 * are open, and refuses new ones while it is down. Pages and other requests always pass.
 */
export class BreakableWire implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #webSockets = new Set<Socket>()
  #isDown = false
  /** WebSockets that were let through. */
  openedCount = 0

  constructor(targetPort: number) {
    this.#server = createServer((near) => this.#join(near, targetPort))
  }

  static async to(targetPort: number): Promise<BreakableWire> {
    const wire = new BreakableWire(targetPort)
    await new Promise<void>((resolve) => wire.#server.listen(0, '127.0.0.1', resolve))
    return wire
  }

  get url(): string {
    // A TCP server has an address object as long as it listens.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Cuts the open WebSockets; how many there were. */
  cut(): number {
    const open = [...this.#webSockets]
    for (const socket of open) socket.resetAndDestroy()
    return open.length
  }

  takeDown(): number {
    this.#isDown = true
    return this.cut()
  }

  bringUp(): void {
    this.#isDown = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(near: Socket, targetPort: number): void {
    const far = connect(targetPort, '127.0.0.1')
    for (const socket of [near, far]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        this.#webSockets.delete(socket)
        near.destroy()
        far.destroy()
      })
    }
    near.on('data', (bytes) => {
      if (isUpgrade(bytes)) {
        if (this.#isDown) return void near.resetAndDestroy()
        this.#webSockets.add(near)
        this.openedCount++
      }
      far.write(bytes)
    })
    far.pipe(near)
  }
}

/** A browser sends a request's head in one segment, and each WebSocket on a connection of its own. */
function isUpgrade(bytes: Buffer): boolean {
  return bytes.subarray(0, 15).toString('latin1') === 'GET /v1/socket '
}
