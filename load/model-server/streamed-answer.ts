// One answer on its way out as server-sent events, token by token at its pace.
//
// The pace is kept by the clock, not by counting pauses: the token with index i is due at first + i/rate, and whatever is
// due goes into one write. So a busy process sends larger pieces instead of falling behind, and a reader that stops taking
// (a write that returns false) stops the stream until 'drain', with nothing piling up here.
import type { ServerResponse } from 'node:http'
import { type Answer, CLOCK_TOKEN, SPLIT_CHARACTER } from './answer.ts'
import { EventSink } from './event-sink.ts'
import { MAX_TOKENS_PER_WRITE, SPLIT_GAP_MS } from './limits.ts'
import { type OpenRequest, wallClockMs } from './recorded-request.ts'
import type { Fault, Settings } from './settings.ts'
import type { Alarm, Wheel } from './wheel.ts'
import type { Encoder } from './wire.ts'

export interface Delivery {
  readonly response: ServerResponse
  readonly answer: Answer
  readonly settings: Settings
  /** The fault this request meets; `settings.fault` may be used up. */
  readonly fault: Fault | undefined
  readonly wheel: Wheel
  readonly request: OpenRequest
  /** To be called when what is known of the request changed. */
  readonly changed: () => void
}

const STREAM_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }

function clockToken(): string {
  return `${wallClockMs().toFixed(3)} `.padStart(CLOCK_TOKEN.length, '0')
}

/** The index before which the stream stops to do something else than send the next token. */
function barrierOf({ answer, fault }: Delivery): number {
  switch (fault) {
    case 'stall-mid':
    case 'reset-mid':
    case 'no-marker':
    case 'error-in-200':
    case 'filtered':
      return answer.at
    case 'split-char': {
      const index = answer.tokens.indexOf(SPLIT_CHARACTER)
      return index < 0 ? answer.tokens.length : index
    }
    default:
      return answer.tokens.length
  }
}

export class StreamedAnswer {
  readonly #delivery: Delivery
  readonly #encoder: Encoder
  readonly #sink: EventSink
  readonly #tokens: readonly string[]
  readonly #thoughts: readonly string[]
  readonly #msPerToken: number
  #barrier: number
  #firstMs = 0
  #sentCount = 0
  #unsent: string
  #isOver = false
  #isSplitting = false
  #alarm: Alarm | undefined

  constructor(delivery: Delivery, encoder: Encoder) {
    this.#delivery = delivery
    this.#encoder = encoder
    this.#sink = new EventSink(delivery.response, () => this.#advance())
    this.#tokens = delivery.answer.tokens
    this.#msPerToken = delivery.settings.tokensPerSecond === 0 ? 0 : 1000 / delivery.settings.tokensPerSecond
    this.#barrier = barrierOf(delivery)
    this.#thoughts = thoughtsOf(delivery.settings.thinkTokens)
    this.#unsent = encoder.begin()
  }

  start(): void {
    const { response, wheel, settings, fault, request } = this.#delivery
    response.writeHead(200, STREAM_HEADERS)
    request.httpStatus = 200
    response.flushHeaders()
    response.on('close', () => this.#stop())
    if (fault === 'stall-headers') {
      this.#isOver = true
      return
    }
    this.#firstMs = wheel.nowMs() + settings.ttftMs
    if (this.#encoder.showsThoughts && settings.ttftMs > 0 && this.#thoughts.length > 0) return this.#thinkAloud(0)
    this.#unsent += this.#encoder.thoughts(this.#thoughts)
    if (settings.ttftMs === 0) this.#advance()
    else this.#wait(this.#firstMs)
  }

  /** A thought each, evenly over the time to the first token. */
  #thinkAloud(index: number): void {
    const { wheel, settings } = this.#delivery
    const thought = this.#thoughts[index]
    if (this.#isOver) return
    if (thought === undefined) return this.#wait(this.#firstMs)
    this.#write(this.#encoder.thoughts([thought]))
    const share = (this.#thoughts.length - index) / (this.#thoughts.length + 1)
    this.#alarm = wheel.at(this.#firstMs - share * settings.ttftMs, () => this.#thinkAloud(index + 1))
  }

  #stop(): void {
    if (this.#sentCount === 0) this.#think()
    this.#isOver = true
    if (this.#alarm) this.#alarm.ring = undefined
  }

  /** Until now. */
  #think(): void {
    const { request, settings, wheel } = this.#delivery
    const { thinkTokens, ttftMs } = settings
    const leftMs = Math.max(0, this.#firstMs - wheel.nowMs())
    request.thoughtTokenCount = ttftMs === 0 ? thinkTokens : Math.floor(thinkTokens * (1 - leftMs / ttftMs))
  }

  #wait(dueMs: number): void {
    this.#alarm = this.#delivery.wheel.at(dueMs, () => this.#advance())
  }

  #advance(): void {
    if (this.#isOver || this.#isSplitting || this.#sink.isFull) return
    if (this.#sentCount === 0) this.#think()
    const due = this.#dueCount()
    while (this.#sentCount < due) {
      if (!this.#write(this.#nextTokens(due))) return
    }
    if (this.#sentCount >= this.#barrier) this.#meetBarrier()
    else this.#wait(this.#firstMs + this.#sentCount * this.#msPerToken)
  }

  #dueCount(): number {
    if (this.#msPerToken === 0) return this.#barrier
    const passedMs = this.#delivery.wheel.nowMs() - this.#firstMs
    return Math.min(this.#barrier, Math.floor(passedMs / this.#msPerToken) + 1)
  }

  #nextTokens(due: number): string {
    const until = Math.min(due, this.#sentCount + MAX_TOKENS_PER_WRITE)
    const isClock = this.#delivery.settings.answer === 'clock'
    let events = ''
    while (this.#sentCount < until) {
      const token = this.#tokens[this.#sentCount++] ?? ''
      events += this.#encoder.content(isClock ? clockToken() : token)
    }
    return events
  }

  #write(events: string): boolean {
    const { request, changed } = this.#delivery
    const hasRoom = this.#sink.write(this.#unsent + events)
    this.#unsent = ''
    request.sentTokenCount = this.#sentCount
    changed()
    return hasRoom
  }

  #meetBarrier(): void {
    const { fault, answer } = this.#delivery
    if (fault === 'stall-mid') this.#halt()
    else if (fault === 'reset-mid') this.#reset()
    else if (fault === 'no-marker') this.#end('')
    else if (fault === 'error-in-200') this.#end(this.#encoder.error())
    else if (fault === 'filtered') this.#finish('content_filter')
    else if (this.#barrier < this.#tokens.length) this.#splitCharacter()
    else this.#finish(answer.finishReason)
  }

  #finish(reason: string): void {
    const { answer, fault, request } = this.#delivery
    const sent = { ...answer, usage: usageOfSent(answer, request.thoughtTokenCount + this.#sentCount) }
    this.#end(this.#encoder.end(reason, fault === 'no-usage' ? undefined : sent, request.thoughtTokenCount))
  }

  #end(events: string): void {
    this.#isOver = true
    this.#delivery.response.end(this.#unsent + events)
  }

  #halt(): void {
    this.#isOver = true
    if (this.#unsent !== '') this.#write('')
  }

  /**
   * The break waits until what came before it was handed to the kernel. The socket is destroyed, not reset: an RST may make
   * the receiver's kernel throw away what it has not read yet, and then nobody could say how much arrived.
   */
  #reset(): void {
    const { response, request } = this.#delivery
    this.#isOver = true
    this.#sink.write(this.#unsent === '' ? ':\n\n' : this.#unsent, () => {
      request.status = 'reset'
      response.socket?.destroy()
    })
  }

  /** Two writes are two HTTP chunks, and the pause between them makes them two TCP segments. */
  #splitCharacter(): void {
    const { wheel } = this.#delivery
    const event = Buffer.from(this.#unsent + this.#encoder.content(SPLIT_CHARACTER))
    const middle = event.indexOf(SPLIT_CHARACTER) + 2
    this.#unsent = ''
    this.#isSplitting = true
    this.#sink.write(event.subarray(0, middle))
    this.#alarm = wheel.at(wheel.nowMs() + SPLIT_GAP_MS, () => {
      if (this.#isOver) return
      this.#isSplitting = false
      this.#sentCount++
      this.#barrier = this.#tokens.length
      this.#delivery.request.sentTokenCount = this.#sentCount
      const hasRoom = this.#sink.write(event.subarray(middle))
      this.#delivery.changed()
      if (hasRoom) this.#advance()
    })
  }
}

function usageOfSent({ usage }: Answer, madeCount: number): Answer['usage'] {
  return { ...usage, completion_tokens: madeCount, total_tokens: usage.prompt_tokens + madeCount }
}

/** What is thought, a token each; some families show it. */
export function thoughtsOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `step ${index + 1} `)
}
