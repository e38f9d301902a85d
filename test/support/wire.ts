import { WebSocket } from 'ws'
import type { Down, DownOf, DownType } from '../../protocol/down.ts'
import { down } from '../../protocol/down.ts'

export interface WireOptions {
  readonly headers?: Record<string, string>
  readonly subprotocol?: string
  /** Default false: TLS to a gateway whose certificate nobody signed. */
  readonly trustsAnybody?: boolean
  /** An address of this machine to connect from. */
  readonly from?: string
}

/**
 * A client that knows the wire and nothing more: it queues every frame that comes, each checked against the protocol's
 * schemas, and waits for what a test names, with a deadline that tells what did come.
 */
export class WireClient {
  readonly socket: WebSocket
  readonly frames: Down[] = []
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  #waiting: (() => void)[] = []
  #nextId = 1
  #isClosed = false

  constructor(url: string, options: WireOptions = {}) {
    const { headers = {}, subprotocol = 'sluice.v1', trustsAnybody = false, from } = options
    this.socket = new WebSocket(url, subprotocol, {
      headers,
      rejectUnauthorized: !trustsAnybody,
      ...(from && { localAddress: from }),
    })
    this.socket.on('message', (data) => this.#came(String(data)))
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.#isClosed = true
        this.#wake()
        resolve({ code, reason: String(reason) })
      })
    })
    this.socket.on('error', () => undefined)
  }

  /** A socket that was welcomed. */
  static async connect(url: string, token: string): Promise<WireClient> {
    const client = new WireClient(url)
    await client.opened()
    client.send({ type: 'hello', token })
    await client.next('welcome')
    return client
  }

  opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once('open', () => resolve())
      this.socket.once('error', reject)
    })
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame))
  }

  /** Sends with a fresh id and answers the frame that refers to it. */
  async ask<T extends DownType>(
    frame: { readonly type: string } & Record<string, unknown>,
    answer: T,
  ): Promise<DownOf<T>> {
    const id = `r${this.#nextId++}`
    this.send({ id, ...frame })
    const ref = typeof frame.id === 'string' ? frame.id : id
    const came = await this.find((down) => 'ref' in down && down.ref === ref, `the answer to ${frame.type}`)
    if (came.type !== answer) throw new Error(`expected ${answer}, got ${JSON.stringify(came)}`)
    // Its type was just compared.
    return came as DownOf<T>
  }

  /** The first frame of this type that was not taken yet; takes it out. */
  async next<T extends DownType>(type: T, where: (frame: DownOf<T>) => boolean = () => true): Promise<DownOf<T>> {
    // Its type is compared in the condition.
    const found = await this.find((frame) => frame.type === type && where(frame as DownOf<T>), type)
    return found as DownOf<T>
  }

  async find(where: (frame: Down) => boolean, what: string, deadlineMs = 10_000): Promise<Down> {
    const until = performance.now() + deadlineMs
    for (;;) {
      const index = this.frames.findIndex(where)
      const [found] = index < 0 ? [] : this.frames.splice(index, 1)
      if (found !== undefined) return found
      if (this.#isClosed) throw new Error(`the socket closed before ${what} came; there was ${this.#seen()}`)
      if (performance.now() > until)
        throw new Error(`${what} did not come within ${deadlineMs} ms; there was ${this.#seen()}`)
      await this.#change(until - performance.now())
    }
  }

  close(): void {
    this.socket.close()
  }

  #came(text: string): void {
    const frame = down.parse(JSON.parse(text))
    this.frames.push(frame)
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #change(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(1, withinMs))
      this.#waiting.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #seen(): string {
    return this.frames.length === 0
      ? 'nothing'
      : this.frames
          .slice(-12)
          .map((frame) => JSON.stringify(frame).slice(0, 160))
          .join('\n')
  }
}
