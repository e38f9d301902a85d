import { faultExamplesMax } from './bounds.ts'
import { type EncodedMeasures, Measures } from './measures.ts'
import type { RunResult } from './result.ts'

export type CountName = Exclude<keyof RunResult['counts'], 'unfinished'> | 'kept'
export type Counts = Record<CountName, number>

export interface Fault {
  readonly count: number
  readonly examples: readonly string[]
}

/** What happened in one interval, as a worker tells its parent. */
export interface Interval {
  /** Counted from 0. */
  readonly index: number
  readonly counts: Counts
  readonly measures: EncodedMeasures
  readonly refusals: Readonly<Record<string, number>>
  readonly failures: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, Fault>>
  /** At its end. */
  readonly sockets: number
  readonly streams: number
}

/** What a worker counts between two reports. */
export class Tally {
  readonly measures = new Measures()
  #counts = noCounts()
  #refusals: Record<string, number> = {}
  #failures: Record<string, number> = {}
  #faults: Record<string, { count: number; examples: string[] }> = {}
  /** Open now, and answers under way now. */
  socketCount = 0
  streamCount = 0

  count(name: CountName, by = 1): void {
    this.#counts[name] += by
  }

  refused(kind: string): void {
    this.#refusals[kind] = (this.#refusals[kind] ?? 0) + 1
  }

  failed(kind: string): void {
    this.count('failed')
    this.#failures[kind] = (this.#failures[kind] ?? 0) + 1
  }

  fault(check: string, example: string): void {
    const known = this.#faults[check] ?? { count: 0, examples: [] }
    this.#faults[check] = known
    known.count++
    if (known.examples.length < faultExamplesMax) known.examples.push(example)
  }

  /** Answers what came since the last time, and forgets it. */
  take(index: number): Interval {
    const taken = {
      index,
      counts: this.#counts,
      measures: this.measures.take(),
      refusals: this.#refusals,
      failures: this.#failures,
      faults: this.#faults,
      sockets: this.socketCount,
      streams: this.streamCount,
    }
    this.#counts = noCounts()
    this.#refusals = {}
    this.#failures = {}
    this.#faults = {}
    return taken
  }
}

export function noCounts(): Counts {
  const questions = { sessions: 0, questions: 0, completed: 0, failed: 0, cancelled: 0, kept: 0 }
  const sockets = { sockets: 0, killed: 0, lost: 0, resumed: 0, resent: 0, restarted: 0 }
  return { ...questions, ...sockets, deltas: 0, frames: 0, bytes: 0, outputTokens: 0 }
}
