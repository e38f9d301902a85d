import { afterClose } from '../../protocol/close-code.ts'
import type { Down, DownOf } from '../../protocol/down.ts'
import type { LogRecord } from '../../protocol/record.ts'
import type { Up } from '../../protocol/up.ts'
import { againMs, backoffMaxMs, backoffMs, failedDialsMax, openingMaxMs } from './bounds.ts'
import { Life } from './life.ts'
import { dial } from './line.ts'
import { pause } from './pauses.ts'
import type { SessionReading } from './session-reading.ts'
import type { World } from './world.ts'
import { WrongAnswer } from './wrong-answer.ts'

export interface DeviceOptions {
  readonly subject: string
  /** The session, or the key that it is made with. */
  readonly opens: { readonly session: string } | { readonly key: string }
  readonly reading: SessionReading
  readonly isSlow: boolean
  /** When sockets break, from the run's beginning on; beside the plan's churn. */
  readonly drops: readonly { readonly dueMs: number; readonly awayMs: number }[]
  /** From 0 up to 1. */
  random(): number
}

export interface DeviceEvents {
  /** The session is open, at first and after each reconnect: what is to be sent is sent now. */
  opened(session: string): void
  /** Text of the running answer. `gapMs`: since the piece before it on this socket. */
  text(bytes: number, gapMs: number | undefined): void
  /** By our own hand: what is measured of the answer under way says nothing of the gateway. */
  cut(): void
  answered(frame: DownOf<'error' | 'history.page'>): void
}

/** No gateway, or none that takes us: the session is given up. */
export class GivenUp extends Error {
  readonly kind: string

  constructor(kind: string, message: string) {
    super(message)
    this.kind = kind
  }
}

/**
 * A user's device that follows one session over sockets that come and go: it dials, opens the session with the position that it
 * holds, and comes back when the socket broke, by our hand or not. A resume lasts from dialing to the first piece of what was
 * missed, or to `session.opened` when that brings all of it.
 */
export class Device {
  readonly #world: World
  readonly #options: DeviceOptions
  readonly #events: DeviceEvents
  readonly #drops: DeviceOptions['drops'][number][]
  #life: Life | undefined
  #session: string | undefined
  #isClosed = false
  #failedDialCount = 0
  #requestCount = 0
  #token: string | undefined

  constructor(world: World, options: DeviceOptions, events: DeviceEvents) {
    this.#world = world
    this.#options = options
    this.#events = events
    this.#drops = [...options.drops]
    if ('session' in options.opens) this.#session = options.opens.session
  }

  get isOpen(): boolean {
    return this.#life?.isOpen === true
  }

  /**
   * Until `close`, or the run's stop.
   *
   * @throws WrongAnswer at the first frame that cannot be; GivenUp when no socket could be had.
   */
  async run(): Promise<void> {
    const { stopped } = this.#world
    while (!this.#isClosed && !stopped.aborted) {
      const awayMs = await this.#oneSocket()
      if (!this.#isClosed) await pause(awayMs, stopped)
    }
  }

  /** Sends with a fresh id, which it answers; nothing happens without a socket that has the session open. */
  send(frame: Unnumbered): string {
    const id = `r${++this.#requestCount}`
    if (this.isOpen) this.#life?.line.send({ ...frame, id })
    return id
  }

  close(): void {
    this.#isClosed = true
    this.#life?.line.close()
  }

  /** Answers how long to stay away, in milliseconds. */
  async #oneSocket(): Promise<number> {
    const { plan, now } = this.#world
    const { subject, isSlow, random } = this.#options
    const token = await this.#freshToken(subject).catch((error: unknown) => {
      this.#world.tally.refused('token')
      return this.#failed('token', error instanceof Error ? error.message : String(error))
    })
    if (typeof token === 'number') return token
    const url = plan.urls[Math.floor(random() * plan.urls.length)] ?? ''
    return new Promise((resolve, reject) => {
      const dialedMs = now()
      const line = dial(this.#world, url, isSlow ? plan.slow?.bytesPerSecond : undefined, {
        open: () => line.send({ type: 'hello', token, client: 'sluice-load' }),
        frame: (frame) => this.#came(life, frame),
        closed: (code, error) => {
          life.end()
          this.#life = undefined
          if (error instanceof WrongAnswer) reject(error)
          else this.#closed(life, code, error).then(resolve, reject)
        },
      })
      const life = new Life(line, dialedMs, this.#options.reading.seq > 0)
      this.#life = life
      life.after(openingMaxMs, () => !life.isOpen && line.cut())
    })
  }

  async #freshToken(subject: string): Promise<string> {
    const { plan, token } = this.#world
    if (plan.tokens.from === 'secret') return token(subject)
    this.#token ??= await token(subject)
    return this.#token
  }

  async #closed(life: Life, code: number, error: Error | undefined): Promise<number> {
    const { tally, stopped, plan } = this.#world
    if (life.awayMs !== undefined) return life.awayMs
    if (this.#isClosed || stopped.aborted) return 0
    tally.count('lost')
    const after = afterClose(code)
    if (after === 'refresh-token') this.#token = undefined
    if (life.wasOpen) this.#failedDialCount = 0
    else if (life.refusal === undefined) tally.refused('unreachable')
    if (after === 'stop') this.#failedDialCount = failedDialsMax
    return this.#failed(
      life.refusal ?? (code === noCloseFrame ? 'unreachable' : `closed-${code}`),
      `no socket at ${plan.urls.join(', ')}: closed with ${code}${error === undefined ? '' : ` (${error.message})`}`,
    )
  }

  /** A dial came to nothing: answers how long to wait before the next one. @throws GivenUp after too many of them. */
  #failed(kind: string, message: string): number {
    if (++this.#failedDialCount > failedDialsMax) throw new GivenUp(kind, message)
    return this.#options.random() * Math.min(backoffMaxMs, backoffMs * 2 ** this.#failedDialCount)
  }

  #came(life: Life, frame: Down): void {
    if (frame.type === 'welcome') return this.#welcome(life)
    if (frame.type === 'session.opened') return this.#opened(life, frame)
    if (frame.type === 'error') return this.#refused(life, frame)
    if (frame.type === 'going.away') return life.after(frame.reconnectAfterMs, () => this.#leave(life, 0))
    if (frame.type === 'session.deleted') throw new WrongAnswer('reset', `the session is gone: ${frame.reason}`)
    // Until the open is answered the session's frames are dropped: the answer brings what they say.
    if (!life.isOpen) return
    if ('session' in frame && frame.session !== this.#session)
      throw new WrongAnswer('stranger', `${frame.type} of ${frame.session} came, opened was ${this.#session}`)
    if (frame.type === 'turn.delta') this.#delta(life, frame)
    else if ('timeMs' in frame) this.#record(life, frame)
    else if (frame.type === 'turn.text') {
      this.#options.reading.textRead(frame)
      this.#readMissing()
    } else if (frame.type === 'history.page') this.#events.answered(frame)
  }

  #welcome(life: Life): void {
    const { tally, now, plan } = this.#world
    tally.measures.record('connect', now() - life.dialedMs)
    if (plan.tokens.from === 'secret') this.#refreshLater(life, plan.tokens.lifeMs / 2)
    this.#open(life)
  }

  #refreshLater(life: Life, ms: number): void {
    life.after(ms, async () => {
      const token = await this.#world.token(this.#options.subject)
      life.line.send({ type: 'token.refresh', id: `r${++this.#requestCount}`, token })
      this.#refreshLater(life, ms)
    })
  }

  #open(life: Life): void {
    life.openedMs = this.#world.now()
    const { opens, reading } = this.#options
    const which = this.#session === undefined ? opens : { session: this.#session }
    const cursor = reading.cursor()
    // The reading's cursor is of the wire's shape.
    life.line.send({ type: 'session.open', id: `o${++this.#requestCount}`, ...which, ...(cursor && { cursor }) } as Up)
  }

  #opened(life: Life, frame: DownOf<'session.opened'>): void {
    const { tally, now } = this.#world
    const isTextMissing = this.#options.reading.opened(frame)
    if (!life.isOpen) tally.measures.record('open', now() - life.openedMs)
    this.#session = frame.session
    life.isOpen = true
    life.wasOpen = true
    if (!isTextMissing) this.#resumed(life)
    this.#planCut(life)
    this.#readMissing()
    this.#events.opened(frame.session)
  }

  /** Texts that were too long to come with their records. */
  #readMissing(): void {
    const { missing } = this.#options.reading
    if (missing !== undefined && this.#session !== undefined)
      this.send({ type: 'turn.read', session: this.#session, part: 0, ...missing })
  }

  #delta(life: Life, frame: DownOf<'turn.delta'>): void {
    const bytes = this.#options.reading.delta(frame)
    const { tally, now } = this.#world
    const { isSlow } = this.#options
    const nowMs = now()
    const gapMs = life.lastDelta?.turn === frame.turn ? nowMs - life.lastDelta.atMs : undefined
    life.lastDelta = { turn: frame.turn, atMs: nowMs }
    tally.count('deltas')
    if (gapMs !== undefined && !isSlow) tally.measures.record('gap', gapMs)
    this.#resumed(life)
    this.#events.text(bytes, gapMs)
  }

  #record(life: Life, record: LogRecord): void {
    this.#resumed(life)
    this.#options.reading.record(record)
  }

  #resumed(life: Life): void {
    const { tally, now } = this.#world
    if (!life.isResume) return
    life.isResume = false
    tally.count('resumed')
    if (!this.#options.isSlow) tally.measures.record('resume', now() - life.dialedMs)
  }

  #refused(life: Life, frame: DownOf<'error'>): void {
    this.#world.tally.refused(frame.kind)
    life.refusal = frame.kind
    if (life.isOpen) return this.#events.answered(frame)
    if (!frame.retryable) {
      this.#failedDialCount = failedDialsMax
      return life.line.cut()
    }
    life.after(frame.retryAfterMs ?? againMs, () => life.isOpen || this.#open(life))
  }

  #planCut(life: Life): void {
    const { plan, now, over } = this.#world
    const { random } = this.#options
    const drop = this.#drops.shift()
    if (drop !== undefined) life.after(drop.dueMs - now(), () => this.#leave(life, drop.awayMs, true))
    if (plan.churn === undefined) return
    const { everyMs, awayMs } = plan.churn
    // From a half to one and a half of what is said.
    const about = (ms: number) => ms * (0.5 + random())
    life.after(about(everyMs), () => over.aborted || this.#leave(life, about(awayMs), true))
  }

  #leave(life: Life, awayMs: number, isCut = false): void {
    if (life.awayMs !== undefined || this.#isClosed) return
    life.awayMs = awayMs
    if (!isCut) return life.line.close()
    this.#world.tally.count('killed')
    this.#events.cut()
    life.line.cut()
  }
}

/** As a device sends it: it numbers its requests itself. */
export type Unnumbered = Up extends infer U ? (U extends { id: string } ? Omit<U, 'id'> : never) : never

/** The code of a socket that ended without a close frame (RFC 6455, section 7.1.5). */
const noCloseFrame = 1006
