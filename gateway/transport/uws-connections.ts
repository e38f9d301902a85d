/**
 * The TCP connections of the uWebSockets.js transport: who may stay, and when each is gone.
 *
 * The library tells of a new connection with an object for it, and of a closed one without saying which. But the object
 * of a new connection may be given a listener for its end whenever no request is under way, and the last request's own
 * listener stands in for it meanwhile. The object must not be touched once its connection is closed or upgraded; both are
 * told here before anything else runs.
 */
import { normalizePeerAddress } from './peer-address.ts'
import { SlowLane } from './slow-lane.ts'
import type { Admission, Guest, TransportOptions } from './transport.ts'
import type { UwsResponse } from './uws-types.ts'

export interface UwsConnection {
  readonly key: string
  readonly address: string
  readonly guest: Guest | undefined
  readonly handle: UwsResponse
  /** Nothing that comes after this request is served. */
  isLast: boolean
}

export class UwsConnections {
  readonly #admit: TransportOptions['admit']
  readonly #open = new Map<string, UwsConnection>()
  readonly #slowLane = new SlowLane()
  #closedCount = 0

  constructor(admit: TransportOptions['admit']) {
    this.#admit = admit
  }

  stop(): void {
    this.#slowLane.stop()
  }

  /** The library's filter: `change` is 1 for a connection that came and -1 for one that went. */
  changed(handle: UwsResponse, change: number): void {
    if (change < 0) this.#closedCount += 1
    else this.#came(handle)
  }

  of(res: UwsResponse): UwsConnection | undefined {
    return this.#open.get(keyOf(addressOf(res), res))
  }

  /** Runs a step of an answer, which says whether the answer ended with it; then the connection's end is listened for here again. */
  answer(connection: UwsConnection, step: () => boolean): boolean {
    const before = this.#closedCount
    const isDone = step()
    if (!isDone) return false
    if (this.#closedCount > before) this.closed(connection)
    else {
      connection.guest?.idle()
      this.#listen(connection)
    }
    return true
  }

  /** Between two requests alone. */
  close({ key, handle }: UwsConnection): void {
    if (this.#open.has(key)) handle.close()
  }

  /** From now on the connection is a WebSocket, whose close tells its place. */
  upgraded(connection: UwsConnection): void {
    this.#open.delete(connection.key)
  }

  closed({ key, guest }: UwsConnection): void {
    this.#open.delete(key)
    guest?.closed()
  }

  #came(handle: UwsResponse): void {
    const written = addressOf(handle)
    const address = normalizePeerAddress(written)
    const admitted: Admission | undefined = this.#admit === undefined ? {} : this.#admit(address)
    if (admitted === undefined) return void handle.close()
    const connection = { key: keyOf(written, handle), address, guest: admitted.guest, handle, isLast: false }
    this.#open.set(connection.key, connection)
    this.#listen(connection)
    if (admitted.isSlow === true) this.#readLater(connection)
  }

  #readLater(connection: UwsConnection): void {
    connection.handle.pause()
    const { handle, key } = connection
    const whileOpen = (act: () => void) => () => {
      if (this.#open.get(key) === connection) act()
    }
    this.#slowLane.enter(
      whileOpen(() => handle.resume()),
      whileOpen(() => handle.close()),
    )
  }

  #listen(connection: UwsConnection): void {
    connection.handle.onAborted(() => this.closed(connection))
  }
}

function addressOf(res: UwsResponse): string {
  return Buffer.from(res.getRemoteAddressAsText()).toString()
}

function keyOf(address: string, res: UwsResponse): string {
  return `${address} ${res.getRemotePort()}`
}
