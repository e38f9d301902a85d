import { WebSocket } from 'ws'
import type { Down } from '../../protocol/down.ts'
import { SessionReading } from './session-reading.ts'

/** What all users of a run share. */
export interface ChurnPlan {
  readonly socketUrls: readonly string[]
  readonly model: string
  /** From 0 up to 1. */
  random(): number
  /** No more questions and no more kills. */
  isOver(): boolean
  question(user: number, n: number): string
  /** How long a socket lives and how long its user is away, drawn anew each time, in milliseconds. */
  readonly up: readonly [least: number, most: number]
  readonly away: readonly [least: number, most: number]
  /** Before each question. */
  readonly thinking: readonly [least: number, most: number]
  readonly tally: ChurnTally
}

export interface ChurnTally {
  readonly openedMs: number[]
  readonly resumedMs: number[]
  killCount: number
  /** Sockets that ended otherwise than by our hand. */
  lostCount: number
  answerCount: number
  resendCount: number
  restartCount: number
  failedCount: number
  readonly faults: string[]
}

/** How long a user waits after a dial that came to nothing, or a refusal that does not say, in milliseconds. */
const againMs = 250
/** How often a user who thinks looks whether the run is over, in milliseconds. */
const lookMs = 2_000

/**
 * A user who asks one question after the other, and whose socket dies again and again, without a close frame. It comes
 * back to a node by chance, with its position. A question that the log does not have then is sent again under its id. A
 * resume lasts from dialing to the first piece of what was missed, or to `session.opened` when that brings all of it.
 */
export class ChurnUser {
  readonly #plan: ChurnPlan
  readonly #n: number
  readonly #token: string
  readonly #reading: SessionReading
  #session: string | undefined
  #askedCount = 0
  /** Whether the last question was sent on some socket. */
  #isSent = false
  #asksAtMs = 0
  #isDone = false

  constructor(plan: ChurnPlan, n: number, token: string) {
    this.#plan = plan
    this.#n = n
    this.#token = token
    this.#reading = new SessionReading(plan.model)
  }

  get isDone(): boolean {
    return this.#isDone
  }

  /** Until its last answer is there and the history was compared, or the first fault. */
  async run(signal: AbortSignal): Promise<void> {
    const { tally, away, thinking } = this.#plan
    this.#asksAtMs = performance.now() + this.#draw(thinking)
    try {
      while (!this.#isDone && !signal.aborted) {
        const wasKilled = await this.#oneSocket(signal)
        if (!this.#isDone) await pause(wasKilled ? this.#draw(away) : againMs)
      }
    } catch (error) {
      tally.faults.push(`user ${this.#n}: ${error instanceof Error ? error.message : String(error)}`)
    }
    tally.answerCount += this.#reading.answerCount
    tally.restartCount += this.#reading.restartCount
    tally.failedCount += this.#reading.failedCount
  }

  /** Answers whether it was killed by the plan. */
  #oneSocket(signal: AbortSignal): Promise<boolean> {
    const { socketUrls, tally, random } = this.#plan
    const url = socketUrls[Math.floor(random() * socketUrls.length)] ?? ''
    const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false })
    const life: Life = { socket, dialedMs: performance.now(), isResume: this.#session !== undefined, isOpen: false }
    return new Promise((resolve, reject) => {
      const abort = () => socket.terminate()
      signal.addEventListener('abort', abort, { once: true })
      socket.on('error', () => undefined)
      socket.on('open', () => socket.send(JSON.stringify({ type: 'hello', token: this.#token })))
      socket.on('message', (data) => {
        try {
          // The gateway is the one under measurement: what it sends is checked by the reading.
          this.#came(life, JSON.parse(String(data)) as Down)
        } catch (error) {
          socket.terminate()
          reject(error)
        }
      })
      socket.on('close', () => {
        signal.removeEventListener('abort', abort)
        clearTimeout(life.killing)
        clearTimeout(life.asking)
        if (!life.isKilled && !this.#isDone && !signal.aborted) tally.lostCount++
        resolve(life.isKilled === true)
      })
    })
  }

  #came(life: Life, frame: Down): void {
    if (frame.type === 'welcome') return this.#open(life)
    if (frame.type === 'session.opened') return this.#opened(life, frame)
    if (frame.type === 'error') return this.#refused(life, frame)
    if (frame.type === 'history.page') {
      this.#reading.history(frame)
      this.#isDone = true
      return life.socket.close()
    }
    // Until the open is answered the session's frames are dropped: the answer brings what they say.
    if (!life.isOpen) return
    if (frame.type === 'turn.delta') {
      this.#reading.delta(frame)
      this.#resumed(life)
    } else if ('seq' in frame && 'mark' in frame && 'timeMs' in frame) {
      this.#reading.record(frame)
      this.#resumed(life)
      if (this.#reading.isAnswering) return
      this.#asksAtMs = performance.now() + this.#draw(this.#plan.thinking)
      this.#goOn(life)
    }
  }

  #open({ socket }: Life): void {
    const open = { type: 'session.open', id: 'o', session: this.#session, key: `churn-${this.#n}` }
    socket.send(JSON.stringify({ ...open, cursor: this.#reading.cursor() }))
  }

  #opened(life: Life, frame: Extract<Down, { type: 'session.opened' }>): void {
    const { up, tally, isOver } = this.#plan
    const isTextMissing = this.#reading.opened(frame)
    this.#session = frame.session
    life.isOpen = true
    if (life.isResume) tally.openedMs.push(performance.now() - life.dialedMs)
    if (!isTextMissing) this.#resumed(life)
    life.killing = setTimeout(() => {
      if (isOver()) return
      life.isKilled = true
      tally.killCount++
      life.socket.terminate()
    }, this.#draw(up))
    this.#goOn(life)
  }

  #resumed(life: Life): void {
    if (life.isResume) this.#plan.tally.resumedMs.push(performance.now() - life.dialedMs)
    life.isResume = false
  }

  /** Asks what is to be asked now: the question that got lost, the next one, or in the end for the history. */
  #goOn(life: Life): void {
    const { isOver, question, tally } = this.#plan
    const { socket } = life
    if (this.#reading.isAnswering || socket.readyState !== WebSocket.OPEN) return
    if (this.#reading.hasAsked(this.#askedCount)) {
      if (isOver())
        return socket.send(JSON.stringify({ type: 'history.get', id: 'h', session: this.#session, limit: 100 }))
      const waitMs = this.#asksAtMs - performance.now()
      if (waitMs > 0) {
        life.asking ??= setTimeout(
          () => {
            life.asking = undefined
            this.#goOn(life)
          },
          Math.min(waitMs, lookMs),
        )
        return
      }
      this.#askedCount++
      this.#isSent = false
    }
    if (this.#isSent) tally.resendCount++
    this.#isSent = true
    const messageId = `q${this.#askedCount}`
    const content = question(this.#n, this.#askedCount)
    socket.send(JSON.stringify({ type: 'message.send', id: messageId, session: this.#session, messageId, content }))
  }

  #refused(life: Life, { kind, message, retryable, retryAfterMs = againMs }: Extract<Down, { type: 'error' }>): void {
    if (!retryable) throw new Error(`refused as ${kind}: ${message}`)
    setTimeout(() => {
      if (life.socket.readyState !== WebSocket.OPEN) return
      if (life.isOpen) this.#goOn(life)
      else this.#open(life)
    }, retryAfterMs)
  }

  #draw([least, most]: readonly [number, number]): number {
    return least + this.#plan.random() * (most - least)
  }
}

/** One socket. */
interface Life {
  readonly socket: WebSocket
  readonly dialedMs: number
  /** It continues what an earlier one began, and what was missed has not come yet. */
  isResume: boolean
  /** The session was opened on it. */
  isOpen: boolean
  isKilled?: boolean
  killing?: NodeJS.Timeout
  /** The next question's time is not there yet. */
  asking?: NodeJS.Timeout | undefined
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
