import type { ServedConnection } from '../../gateway/serve-connection.ts'
import type { Down } from '../../protocol/down.ts'
import type { Up } from '../../protocol/up.ts'
import type { ModelSocket } from '../client/gateway-model.ts'
import type { SimNode } from './sim-node.ts'
import { WireCheck } from './wire-check.ts'

/** Where a device dials: each socket ends at some node that lives, as behind a balancer. */
export class SimGateway {
  readonly sockets = new Set<ModelSocket>()
  readonly #served = new Map<ModelSocket, ServedConnection>()
  readonly #closing = new Set<ModelSocket>()
  readonly #choose: () => SimNode | undefined
  readonly #saw: (frame: Down) => void

  constructor(choose: () => SimNode | undefined, saw: (frame: Down) => void) {
    this.#choose = choose
    this.#saw = saw
  }

  /** Sockets that the gateway's side closed, of which the device was not told yet. */
  get hasClosed(): boolean {
    return this.#closing.size > 0
  }

  receive(socket: ModelSocket, frame: Up): void {
    const connection = this.#served.get(socket) ?? this.#accept(socket)
    if (connection === undefined) this.#closing.add(socket)
    else connection.text(JSON.stringify(frame))
  }

  /** Ends what the device hung up, and tells whether a socket of it was closed from here. */
  sweep(): boolean {
    for (const [socket, connection] of this.#served) {
      if (socket.isOpen) continue
      this.#served.delete(socket)
      connection.closed(1006)
    }
    const wasClosed = this.#closing.size > 0
    this.#closing.clear()
    return wasClosed
  }

  /** The node died. */
  cut(node: SimNode): void {
    for (const [socket, connection] of this.#served) {
      if (!node.connections.has(connection)) continue
      this.#served.delete(socket)
      this.#closing.add(socket)
    }
  }

  #accept(socket: ModelSocket): ServedConnection | undefined {
    const node = this.#choose()
    if (node === undefined) return undefined
    const check = new WireCheck()
    const connection = node.connect({
      send: (frame) => {
        if (!socket.isOpen) return
        const down = JSON.parse(String(frame)) as Down
        check.sent(down)
        this.#saw(down)
        socket.down.push(down)
      },
      admit: () => undefined,
      ping: (payload) => queueMicrotask(() => socket.isOpen && connection.pong(payload)),
      close: () => void this.#closing.add(socket),
      terminate: () => void this.#closing.add(socket),
      bufferedBytes: () => 0,
    })
    this.#served.set(socket, connection)
    return connection
  }
}
