/**
 * The records that a producer writes, each made once. A store that was rolled back gets the very same record again, and
 * with it the same mark, which makes the cursors of readers valid again that had seen it.
 */
import { refusal } from '../protocol/error.ts'
import type { Cost, Usage } from '../protocol/shapes.ts'
import type { Sums } from './answer-text.ts'
import type { OpeningRecord, TerminalRecord } from './ports.ts'
import type { ChosenPrompt } from './prompts/prompts.ts'
import type { Keep, Outcome } from './turn-state.ts'

export interface WrittenRecords {
  /** `keep`: how much of which attempt it begins with. `reason`: why it is not the first. */
  opening(attempt: number, keep: Keep | undefined, reason: string): OpeningRecord
  terminal(attempt: number, outcome: Outcome, sums: Sums, bill: Billed): TerminalRecord
}

/** What a turn used, of all its calls; `cost` is absent when a price is not known. */
export interface Billed {
  readonly usage: Usage
  readonly cost?: Cost
}

export interface Asked {
  readonly model: string
  readonly prompt?: ChosenPrompt
}

/** `asked`: what the records of its attempts say. */
export function writtenRecords(turn: string, asked: Asked, nowMs: () => number): WrittenRecords {
  const { model, prompt } = asked
  const made = new Map<string, number>()
  /** When a record of this name was first made. */
  const timeOf = (name: string) => {
    const timeMs = made.get(name) ?? nowMs()
    made.set(name, timeMs)
    return timeMs
  }
  return {
    opening(attempt, keep, reason) {
      const timeMs = timeOf(`opening ${attempt}`)
      const fields = { timeMs, turn, attempt, model, ...(prompt !== undefined && { prompt }) }
      if (attempt === 1) return { type: 'turn.started', ...fields }
      const restarted = { type: 'turn.restarted', ...fields, reason } as const
      return keep === undefined ? restarted : { ...restarted, keep }
    },
    terminal(attempt, outcome, { bytes, sha256 }, bill) {
      const { finishReason } = outcome
      const timeMs = timeOf(outcome.kind)
      const fields = { timeMs, turn, attempt, finishReason, ...bill, bytes, sha256 }
      if (outcome.kind === 'completed') return { type: 'turn.completed', ...fields }
      if (outcome.kind === 'cancelled') return { type: 'turn.cancelled', ...fields }
      const error = outcome.error ?? refusal('internal', 'the gateway failed to produce this answer')
      return { type: 'turn.failed', ...fields, error }
    },
  }
}
