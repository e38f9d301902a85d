import { connect, type Socket } from 'node:net'

export interface StageOptions {
  /** The gateway, `http://HOST:PORT`. */
  readonly url: string
  /** Where its connections come from. */
  readonly address: string
  /** Of the attacker's own subject. */
  readonly token: string
  /** The path of the largest file of the chat page, or of the OpenAPI document where the page is not built. */
  readonly pagePath: string
  /** The part of a line's connections and sessions that is used, above 0 and up to 1. */
  readonly share: number
}

/** What an attack did, by its own count. */
export interface Tally {
  /** Bytes that the kernel took, with the framing of HTTP and WebSocket. */
  readonly sentBytes: number
  readonly openedCount: number
  /** Requests or frames, where the attack counts them. */
  readonly requestCount: number
  /** Connections that the attack itself ended. */
  readonly droppedCount: number
}

/**
 * What an attack works with: connections from one address whose bytes are counted, and waits that end at the attack's
 * bound in time, whatever the gateway does. Connections stay open until `end`, so that what they hold can be measured.
 */
export class Stage {
  readonly options: StageOptions
  readonly #open = new Set<Socket>()
  readonly #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #endedBytes = 0
  #openedCount = 0
  #droppedCount = 0
  requestCount = 0
  isOver = false

  constructor(options: StageOptions) {
    this.options = options
  }

  get socketUrl(): string {
    return `${this.options.url.replace('http', 'ws')}/v1/socket`
  }

  /** From now on the attack has so much time, in milliseconds. What was counted before is forgotten. */
  begin(durationMs: number): void {
    this.#endedBytes = -this.#liveBytes()
    this.requestCount = 0
    this.#timer = setTimeout(() => this.#expire(), durationMs)
  }

  /** Connections or sessions, in place of `count` of the whole attack. */
  part(count: number): number {
    return Math.max(1, Math.round(count * this.options.share))
  }

  /** A connection that reads nothing, unless somebody listens to it. */
  connect(): Socket {
    const { hostname, port } = new URL(this.options.url)
    const { address: localAddress } = this.options
    return this.keep(connect({ host: hostname, port: Number(port), localAddress, noDelay: true }).pause())
  }

  /** Counts a connection that somebody else made, and ends it with the others. */
  keep<T extends Socket>(socket: T): T {
    this.#openedCount++
    this.#open.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => {
      if (this.#open.delete(socket)) this.#endedBytes += sentBytes(socket)
    })
    return socket
  }

  /** Ends a connection as the attacker's own act. */
  drop(socket: Socket): void {
    this.#droppedCount++
    socket.destroy()
  }

  /** Resolves when the kernel has all of it: true; or when the connection or the attack has ended: false. */
  send(socket: Socket, bytes: Buffer | string): Promise<boolean> {
    if (socket.destroyed) return Promise.resolve(false)
    return this.wait<boolean>((done) => {
      socket.write(bytes, (error) => done(error === undefined || error === null))
    }, false)
  }

  pause(ms: number): Promise<void> {
    return this.wait<void>((done) => {
      setTimeout(done, ms)
    }, undefined)
  }

  /** What `start` hands to `done`; `otherwise` when the attack's time ends before. */
  wait<T>(start: (done: (value: T) => void) => void, otherwise: T): Promise<T> {
    if (this.isOver) return Promise.resolve(otherwise)
    return new Promise((resolve) => {
      const giveUp = () => done(otherwise)
      const done = (value: T) => {
        this.#waiting.delete(giveUp)
        resolve(value)
      }
      this.#waiting.add(giveUp)
      start(done)
    })
  }

  /** Repeats `step`, as many at once, until the attack's time is over. */
  async loop(atOnce: number, step: (n: number) => Promise<unknown>): Promise<void> {
    const one = async (n: number) => {
      while (!this.isOver) {
        await step(n)
        // A step that fails at once must not keep timers and sockets from their turn.
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await Promise.all(Array.from({ length: atOnce }, (_, n) => one(n)))
  }

  tally(): Tally {
    return {
      sentBytes: this.#endedBytes + this.#liveBytes(),
      openedCount: this.#openedCount,
      requestCount: this.requestCount,
      droppedCount: this.#droppedCount,
    }
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#expire()
    for (const socket of this.#open) socket.destroy()
  }

  #expire(): void {
    this.isOver = true
    for (const giveUp of this.#waiting) giveUp()
  }

  #liveBytes(): number {
    let bytes = 0
    for (const socket of this.#open) bytes += sentBytes(socket)
    return bytes
  }
}

function sentBytes(socket: Socket): number {
  return Math.max(0, socket.bytesWritten - socket.writableLength)
}
