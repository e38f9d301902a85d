import { maskedText, RawSocket } from '../raw-socket.ts'
import type { Stage } from './stage.ts'

/** How often a request is sent while its refusal says that it may be sent again. */
const askTries = 10

/** What the gateway answered, as it came. */
export type Answer = Readonly<Record<string, unknown>>

/** A socket of an attacker that was welcomed. It answers the gateway's pings for as long as it reads. */
export class GreetedSocket {
  readonly #stage: Stage
  readonly raw: RawSocket
  #nextId = 0
  readonly #wanted = new Set<(frame: Answer) => void>()
  isOpen = true

  private constructor(stage: Stage) {
    this.#stage = stage
    this.raw = new RawSocket(
      stage.socketUrl,
      {
        opened: () => this.raw.send(JSON.stringify({ type: 'hello', token: stage.options.token })),
        text: (payload) => this.#came(payload),
        closed: () => {
          this.isOpen = false
          for (const hear of this.#wanted) hear({ type: 'closed' })
        },
      },
      stage.options.address,
    )
    stage.keep(this.raw.connection)
  }

  /** `undefined`: it was refused, or the attack is over. */
  static async dial(stage: Stage): Promise<GreetedSocket | undefined> {
    const socket = new GreetedSocket(stage)
    const first = await socket.next(({ type }) => type === 'welcome')
    return first?.type === 'welcome' ? socket : undefined
  }

  static async dialMany(stage: Stage, count: number): Promise<GreetedSocket[]> {
    const dialed = await Promise.all(Array.from({ length: stage.part(count) }, () => GreetedSocket.dial(stage)))
    return dialed.filter((socket) => socket !== undefined)
  }

  /** Sends a request without waiting for its answer, which is thrown away. */
  post(frame: object): Promise<boolean> {
    this.#stage.requestCount++
    return this.write(maskedText(JSON.stringify({ id: `r${this.#nextId++}`, ...frame })))
  }

  /** Sends a text as a frame, whatever it is. */
  text(text: string): Promise<boolean> {
    return this.frame(maskedText(text))
  }

  /** Sends a masked frame, and counts it. */
  async frame(bytes: Buffer | undefined): Promise<boolean> {
    this.#stage.requestCount++
    return bytes !== undefined && this.write(bytes)
  }

  write(bytes: Buffer): Promise<boolean> {
    return this.#stage.send(this.raw.connection, bytes)
  }

  /** Sends a request, again as long as it is refused for a reason that passes, and resolves with its last answer. */
  async ask(frame: object, triesLeft = askTries): Promise<Answer | undefined> {
    const id = `r${this.#nextId++}`
    const answered = this.next(({ ref }) => ref === id)
    this.raw.send(JSON.stringify({ id, ...frame }))
    const answer = await answered
    if (answer?.type !== 'error' || answer.retryable !== true || !this.isOpen || triesLeft <= 1) return answer
    await this.#stage.pause(Number(answer.retryAfterMs ?? 100))
    return this.#stage.isOver ? undefined : this.ask(frame, triesLeft - 1)
  }

  /** The next frame that is wanted, or `{type: 'closed'}`. */
  next(isWanted: (frame: Answer) => boolean): Promise<Answer | undefined> {
    return this.#stage.wait<Answer | undefined>((done) => {
      const hear = (frame: Answer) => {
        if (!isWanted(frame) && frame.type !== 'closed') return
        this.#wanted.delete(hear)
        done(frame)
      }
      this.#wanted.add(hear)
    }, undefined)
  }

  stopReading(): void {
    this.raw.connection.pause()
  }

  #came(payload: Buffer): void {
    // Large pages are parsed only where somebody waits for something.
    if (this.#wanted.size === 0) return
    const frame: Answer = JSON.parse(payload.toString())
    for (const hear of this.#wanted) hear(frame)
  }
}
