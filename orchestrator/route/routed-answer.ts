/**
 * The shell around an answer's reducer: makes its calls at the targets and tells it what they bring. To whoever runs the turn
 * it is one call of one provider, that may be paused, and closed at any time: before the first byte, in a wait, in the middle.
 *
 * The token path is `#text()`: when a call's content was adopted, a piece goes on to the reader and the time is noted; the
 * reducer is asked only by its timer.
 */
import { type Refusal, refusal } from '../../protocol/error.ts'
import { signOfLifeMs } from '../limits.ts'
import type { Clock, ProviderCall, ProviderEnd } from '../ports.ts'
import { answerWakeAtMs, startAnswer, stepAnswer } from './answer.ts'
import type { AnswerEffect, AnswerEvent, AnswerPlan, AnswerState, Closing, Passed, Why } from './answer-state.ts'
import type { CallResult } from './breaker.ts'
import type { Question, Target, TargetCall } from './target.ts'

/** Synchronous, in order; after `finish`, `fail` or `offline` nothing more. */
export interface AnswerSink {
  text(piece: string): void
  /**
   * The text so far is to be kept or forgotten; when that is done `proceed` is called, once. `continue`: with what is asked now.
   * `restart`: the new text comes then.
   */
  broke(how: 'continue' | 'restart', refusal: Refusal, proceed: (question: Question) => void): void
  finish(end: ProviderEnd): void
  /** No target can answer, and there is a text for that. */
  offline(): void
  fail(refusal: Refusal): void
  /** A bug in here or in the sink; all calls are closed. */
  bug(error: unknown): void
}

/** What becomes of single calls, for telemetry and the bill. Times are in milliseconds. */
export interface CallWitness {
  called(call: number, target: Target, why: Why, question: Question): void
  passed(call: number, why: Passed): void
  /** Its provider counts from here on. */
  taken(call: number): void
  /** What its provider says that it counted so far. */
  counted(call: number, usage: NonNullable<ProviderEnd['usage']>): void
  /** Its connection is not read for now: more may have come than is known. */
  unread(call: number): void
  started(call: number, answer: { readonly model?: string; readonly id?: string }): void
  firstContent(call: number, sinceSentMs: number): void
  /** A piece of text or of thinking came, whether or not it is used. */
  text(call: number, piece: string): void
  /** The last of a call. `failed` with the refusal; `cancelled`: the whole answer was closed. `ms`: since it was sent. */
  over(call: number, how: 'ended' | 'failed' | 'cancelled' | Closing, ms: number, end?: ProviderEnd | Refusal): void
  /** The connection of a call stands: its provider may have begun to count. */
  connected(call: number): void
}

export interface AnswerParts {
  readonly plan: AnswerPlan
  readonly targetOf: (name: string) => Target | undefined
  readonly sink: AnswerSink
  readonly witness: CallWitness
  /**
   * Asked before a call is sent, and after `witness.called`: undefined when it may be, else what the budgets say to it, which
   * is a refusal or nothing.
   */
  readonly allow: () => Promise<Refusal | undefined> | undefined
  readonly clock: Clock
  /** 0 to 1. */
  readonly chance: () => number
}

interface OpenCall {
  /** Absent while it is being made. */
  call?: TargetCall
  sentMs: number
  /** When the reducer last heard that it is alive. */
  aliveMs: number
  /** What came before its first visible character: nobody is shown it until that comes. */
  blank: string
}

/** Blanks before the first visible character; more of them count as content. UTF-16 units. */
const blankMax = 1_024

export class RoutedAnswer implements ProviderCall {
  readonly #parts: AnswerParts
  #question: Question
  #state: AnswerState = { phase: 'done' }
  /** Those that are not over, by id. */
  readonly #calls = new Map<number, OpenCall>()
  /** The call whose content is the answer; 0: none. */
  #adopted = 0
  #end: ProviderEnd = { finishReason: 'stop' }
  /** When the last of it came, or the reader could take no more. */
  #contentMs = 0
  /** The same of any sign of life. */
  #lifeMs = 0
  /** Of the adopted call, until the text before is forgotten. */
  #held: string[] | undefined
  #isPaused = false
  #timerAtMs = Number.POSITIVE_INFINITY
  #cancelTimer: () => void = () => undefined
  #queue: AnswerEvent[] = []
  #isStepping = false

  /** The first call is made at once; nothing comes before `start` returns. */
  constructor(question: Question, parts: AnswerParts) {
    this.#question = question
    this.#parts = parts
  }

  start(): void {
    const nowMs = this.#nowMs()
    this.#contentMs = nowMs
    this.#lifeMs = nowMs
    this.#isStepping = true
    const { state, effects } = startAnswer(this.#parts.plan, nowMs)
    this.#state = state
    this.#run(effects)
    this.#drain()
  }

  pause(): void {
    this.#isPaused = true
    for (const [id, { call }] of this.#calls) {
      call?.pause()
      this.#parts.witness.unread(id)
    }
  }

  resume(): void {
    this.#isPaused = false
    // A provider that was not read cannot have been silent.
    this.#contentMs = this.#nowMs()
    this.#lifeMs = this.#contentMs
    this.#setTimer()
    for (const { call } of this.#calls.values()) call?.resume()
  }

  close(): void {
    this.#held = undefined
    this.#state = { phase: 'done' }
    this.#cancelTimer()
    for (const id of [...this.#calls.keys()]) this.#close(id, 'cancelled', 'unknown')
  }

  #step(event: AnswerEvent): void {
    this.#queue.push(event)
    if (!this.#isStepping) this.#drain()
  }

  /** `first`: what is done before; whatever it brings synchronously waits. */
  #drain(first?: () => void): void {
    this.#isStepping = true
    try {
      first?.()
      for (let event = this.#queue.shift(); event !== undefined; event = this.#queue.shift()) {
        const { state, effects } = stepAnswer(this.#state, event, this.#parts.plan)
        this.#state = state
        this.#run(effects)
      }
      this.#setTimer()
    } catch (error) {
      this.#queue = []
      this.close()
      this.#parts.sink.bug(error)
    } finally {
      this.#isStepping = false
    }
  }

  #run(effects: readonly AnswerEffect[]): void {
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: AnswerEffect): void {
    const { sink } = this.#parts
    switch (effect.type) {
      case 'call':
        return this.#call(effect.id, effect.target, effect.why)
      case 'close':
        return this.#close(effect.id, effect.why, isIllness(effect.why) ? 'ill' : 'unknown')
      case 'adopt':
        this.#adopted = effect.id
        return
      case 'broke':
        return effect.how === 'continue' ? this.#goOn(effect.refusal) : this.#beginAnew(effect.refusal)
      case 'finish':
        // What is held comes first, and then this.
        return this.#held === undefined ? sink.finish(this.#end) : undefined
      case 'offline':
        return sink.offline()
      case 'fail':
        return sink.fail(effect.refusal)
    }
  }

  #goOn(refusal: Refusal): void {
    this.#adopted = 0
    this.#parts.sink.broke('continue', refusal, (question) => {
      this.#question = question
      this.#step({ type: 'mended', nowMs: this.#nowMs() })
    })
  }

  /** The call waits meanwhile: what was read already is held. */
  #beginAnew(refusal: Refusal): void {
    const isUnderWay = this.#held !== undefined
    const held: string[] = []
    this.#held = held
    for (const [id, { call }] of this.#calls) {
      call?.pause()
      this.#parts.witness.unread(id)
    }
    // Of a call that broke before it was shown nothing is left: the attempt that is being opened for it serves this one.
    if (isUnderWay) return
    this.#parts.sink.broke('restart', refusal, (question) => {
      this.#question = question
      const pieces = this.#held
      if (pieces === undefined) return
      this.#held = undefined
      for (const piece of pieces) this.#parts.sink.text(piece)
      if (this.#state.phase === 'done') this.#parts.sink.finish(this.#end)
      else if (!this.#isPaused) this.resume()
    })
  }

  #call(id: number, name: string, why: Why): void {
    const { targetOf, witness } = this.#parts
    const target = targetOf(name)
    // The configuration changed since this answer was planned.
    if (target === undefined) return this.#passed(id, 'ill', Number.POSITIVE_INFINITY)
    witness.called(id, target, why, this.#question)
    const open: OpenCall = { sentMs: 0, aliveMs: Number.NEGATIVE_INFINITY, blank: '' }
    this.#calls.set(id, open)
    const allowance = this.#parts.allow()
    if (allowance === undefined) return this.#send(id, target, open)
    void allowance.then((refused) => {
      // It was closed meanwhile.
      if (this.#calls.get(id) !== open) return
      if (refused === undefined) this.#drain(() => this.#send(id, target, open))
      else this.#notAllowed(id, refused)
    })
  }

  /** A cheaper target may be; beside a call that is under way nothing more is tried. */
  #notAllowed(id: number, refusal: Refusal): void {
    this.#over(id, 'failed', refusal)
    const failure = { refusal, cure: 'other-target', isIllness: false } as const
    const chance = this.#parts.chance()
    this.#step({ type: 'failed', id, nowMs: this.#nowMs(), failure, hasKey: false, coolForMs: 0, chance })
  }

  #send(id: number, target: Target, open: OpenCall): void {
    const { witness } = this.#parts
    open.call = target.call(this.#question, {
      passed: (reason, forMs) => {
        witness.passed(id, reason)
        this.#calls.delete(id)
        this.#passed(id, reason, forMs)
      },
      sent: () => {
        open.sentMs = this.#nowMs()
        this.#step({ type: 'sent', id, nowMs: open.sentMs })
      },
      connected: () => {
        witness.connected(id)
        this.#step({ type: 'connected', id, nowMs: this.#nowMs() })
      },
      taken: () => witness.taken(id),
      started: (answer) => witness.started(id, answer),
      thought: (piece) => {
        witness.text(id, piece)
        this.#alive(id, open)
      },
      alive: () => this.#alive(id, open),
      counted: (usage) => witness.counted(id, usage),
      text: (piece) => this.#text(id, open, piece),
      ended: (end) => {
        this.#end = end
        this.#over(id, 'ended', end)
        const empty = this.#adopted === id ? undefined : noText(end)
        this.#step({ type: 'ended', id, nowMs: this.#nowMs(), chance: this.#parts.chance(), empty })
      },
      failed: (failure, hasKey, coolForMs) => {
        this.#over(id, 'failed', failure.refusal)
        const chance = this.#parts.chance()
        this.#step({ type: 'failed', id, nowMs: this.#nowMs(), failure, hasKey, coolForMs, chance })
      },
    })
    if (this.#isPaused && this.#calls.has(id)) {
      open.call.pause()
      witness.unread(id)
    }
  }

  #passed(id: number, why: Passed, forMs: number): void {
    this.#step({ type: 'passed', id, nowMs: this.#nowMs(), why, forMs, chance: this.#parts.chance() })
  }

  #alive(id: number, open: OpenCall): void {
    const nowMs = this.#nowMs()
    if (this.#adopted === id) this.#lifeMs = nowMs
    else if (nowMs - open.aliveMs >= Math.min(signOfLifeMs, this.#parts.plan.retry.silenceMs / 4)) {
      open.aliveMs = nowMs
      this.#step({ type: 'alive', id, nowMs })
    }
  }

  #text(id: number, open: OpenCall, piece: string): void {
    const { sink, witness, clock } = this.#parts
    this.#contentMs = clock.monotonicMs()
    this.#lifeMs = this.#contentMs
    witness.text(id, piece)
    if (this.#adopted === id) {
      if (this.#held === undefined) sink.text(piece)
      else this.#held.push(piece)
      return
    }
    open.blank += piece
    if (open.blank.length <= blankMax && open.blank.trim() === '') return this.#alive(id, open)
    witness.firstContent(id, this.#contentMs - open.sentMs)
    this.#step({ type: 'content', id, nowMs: this.#contentMs })
    if (this.#adopted !== id) return
    if (this.#held === undefined) sink.text(open.blank)
    else this.#held.push(open.blank)
  }

  #close(id: number, how: 'cancelled' | Closing, result: CallResult): void {
    const open = this.#calls.get(id)
    if (open === undefined) return
    this.#over(id, how)
    open.call?.close(result)
  }

  #over(id: number, how: Parameters<CallWitness['over']>[1], end?: ProviderEnd | Refusal): void {
    const { sentMs = 0 } = this.#calls.get(id) ?? {}
    this.#calls.delete(id)
    this.#parts.witness.over(id, how, sentMs === 0 ? 0 : this.#nowMs() - sentMs, end)
  }

  /** A timer that comes too early costs one idle tick, which is cheaper than setting it anew for each token. */
  #setTimer(): void {
    if (this.#state.phase === 'done') return this.#cancelTimer()
    const { clock, plan } = this.#parts
    const paused = this.#isStill && this.#state.phase === 'answering'
    const wakeMs = paused
      ? Number.POSITIVE_INFINITY
      : answerWakeAtMs(this.#state, { lifeMs: this.#lifeMs, contentMs: this.#contentMs }, plan)
    if (wakeMs >= this.#timerAtMs) return
    this.#cancelTimer()
    this.#timerAtMs = wakeMs
    this.#cancelTimer = clock.after(Math.max(0, wakeMs - clock.monotonicMs()), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY
      const nowMs = clock.monotonicMs()
      const [lifeMs, contentMs] = this.#isStill ? [nowMs, nowMs] : [this.#lifeMs, this.#contentMs]
      this.#step({ type: 'ticked', nowMs, lifeMs, contentMs, chance: this.#parts.chance() })
    })
  }

  /** The reader takes nothing: a provider that is not read cannot be silent. */
  get #isStill(): boolean {
    return this.#isPaused || this.#held !== undefined
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs()
  }
}

/** Why a call whose answer has no visible text does not count, where that is so. */
function noText({ finishReason }: ProviderEnd): Refusal {
  if (finishReason === 'content_filter')
    return refusal('filtered', "the answer was held back by the content filter of the model's provider")
  return refusal('provider', finishReason === 'length' ? noneBeforeLimit : 'the model gave no answer')
}

const noneBeforeLimit = 'the model gave no answer before it reached its greatest length'

/** A call that lost or thought for too long says nothing against its target. */
function isIllness(why: Closing): boolean {
  return why === 'late' || why === 'silent'
}
