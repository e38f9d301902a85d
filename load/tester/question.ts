import type { TerminalRecord } from '../../protocol/record.ts'
import type { PlannedQuestion } from './schedule.ts'
import { keepsSlos } from './slo.ts'
import type { World } from './world.ts'
import { WrongAnswer } from './wrong-answer.ts'

/** One question under way, and what is measured of it. */
export class Question {
  readonly messageId: string
  readonly planned: PlannedQuestion
  refusalCount = 0
  readonly #world: World
  readonly #settle: () => void
  /** From when on waiting counts: its time by the plan, or when it was sent. */
  #dueMs: number | undefined
  #isDisturbed: boolean
  #isSent = false
  #isCancelAsked = false
  #cancelDueMs = Number.POSITIVE_INFINITY
  #cancelTimer: NodeJS.Timeout | undefined
  #pieceCount = 0
  #firstTextMs: number | undefined
  #lastTextMs: number | undefined
  #worstGapMs: number | undefined

  /** `isDisturbed`: its reader is slow on purpose. */
  constructor(world: World, messageId: string, planned: PlannedQuestion, isDisturbed: boolean, settle: () => void) {
    this.#world = world
    this.messageId = messageId
    this.planned = planned
    this.#dueMs = planned.dueMs
    this.#isDisturbed = isDisturbed
    this.#settle = settle
  }

  /** It is sent now, at first or again. `cancelTime` is called when the plan says so. */
  sending(cancelTime: () => void): void {
    const { tally, now } = this.#world
    const nowMs = now()
    if (this.#isSent) return tally.count('resent')
    this.#isSent = true
    if (this.#dueMs !== undefined) tally.measures.record('late', nowMs - this.#dueMs)
    this.#dueMs ??= nowMs
    const { cancelAfterMs } = this.planned
    if (cancelAfterMs === undefined) return
    this.#cancelDueMs = nowMs + cancelAfterMs
    this.#cancelTimer = setTimeout(cancelTime, cancelAfterMs)
  }

  /** Our own hand held it up: its times say nothing of the gateway. */
  disturb(): void {
    this.#isDisturbed = true
  }

  text(gapMs: number | undefined): void {
    const nowMs = this.#world.now()
    this.#pieceCount++
    this.#firstTextMs ??= nowMs
    this.#lastTextMs = nowMs
    if (gapMs !== undefined) this.#worstGapMs = Math.max(this.#worstGapMs ?? 0, gapMs)
  }

  /** Whether the plan has it cancelled by now, and that was not said yet, or is to be said again on a new socket. */
  isCancelDue(isAgain: boolean): boolean {
    if (this.#isCancelAsked) return isAgain
    const { cancelAfterTokens = Number.POSITIVE_INFINITY } = this.planned
    // A timer may be a little early.
    const isTime = this.#world.now() >= this.#cancelDueMs - 1
    if (!isTime && this.#pieceCount < cancelAfterTokens) return false
    this.#isCancelAsked = true
    return true
  }

  /** @throws WrongAnswer when it was cancelled and nobody asked for it. */
  ended(record: TerminalRecord): void {
    const { tally } = this.#world
    tally.count('outputTokens', record.usage.outputTokens)
    if (record.type === 'turn.failed') return tally.failed(record.error.kind)
    if (record.type === 'turn.cancelled') {
      if (!this.#isCancelAsked) throw new WrongAnswer('cancelled', `${record.turn} was cancelled, but not by us`)
      return tally.count('cancelled')
    }
    tally.count('completed')
    if (this.#isDisturbed || this.#measured(record)) tally.count('kept')
  }

  settle(): void {
    clearTimeout(this.#cancelTimer)
    this.#settle()
  }

  /** Records the times of a completed answer; answers whether it keeps each SLO. */
  #measured({ bytes, usage }: TerminalRecord): boolean {
    const { tally, slos, now } = this.#world
    const nowMs = now()
    const dueMs = this.#dueMs ?? nowMs
    // A text that came with its end came at the end.
    const firstMs = this.#firstTextMs ?? (bytes > 0 ? nowMs : undefined)
    const spanMs = (this.#lastTextMs ?? nowMs) - (firstMs ?? nowMs)
    const times = {
      e2eMs: nowMs - dueMs,
      ...(firstMs !== undefined && { ttftMs: firstMs - dueMs }),
      ...(usage.outputTokens > 1 && { tpotMs: spanMs / (usage.outputTokens - 1) }),
      ...(this.#worstGapMs !== undefined && { gapMs: this.#worstGapMs }),
    }
    tally.measures.record('e2e', times.e2eMs)
    if (times.ttftMs !== undefined) tally.measures.record('ttft', times.ttftMs)
    if (times.tpotMs !== undefined) tally.measures.record('tpot', times.tpotMs)
    return keepsSlos(slos, times)
  }
}
