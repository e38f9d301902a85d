import type fc from 'fast-check'
import type { Input, Piece } from './recipe.ts'

/** One parser with what may be written to it, what must hold of what it answers, and what it may cost. */
export interface Target {
  /** What `--only` takes, and the folder of its seeds. */
  readonly name: string
  /** What is read, for the report. */
  readonly what: string
  /** Texts that are mostly right. What is wrong with them comes from mutations. */
  readonly grammar: fc.Arbitrary<readonly Piece[]>
  /** The longest input, in UTF-16 units: what the parser's own bound lets in, and a little more. */
  readonly unitsMax: number
  readonly bound: Bound
  /**
   * Gives the input to the parser. Throws when it breaks its promise. Answers what kind of answer it was, in a few words: an input with
   * a kind that is new is kept and mutated further.
   */
  run(input: Input): string | Promise<string>
}

/** For one input. Between the smallest and the largest one both grow with its length. */
export interface Bound {
  /** CPU of this process for an input of `unitsMax`, in milliseconds. */
  readonly cpuMs: number
  /** What the heap and buffers may grow by while an input of `unitsMax` is read, in bytes. */
  readonly heapBytes: number
  /** What stays allowed for the shortest input; default `leastHeapBytes`. */
  readonly leastHeapBytes?: number
}

/** What stays allowed for the shortest input: below this a measurement says more about the machine than about the parser. */
export const leastCpuMs = 40
export const leastHeapBytes = 8 * 1024 * 1024

export function allowed({ unitsMax, bound }: Pick<Target, 'unitsMax' | 'bound'>, units: number): Bound {
  const share = Math.min(1, units / unitsMax)
  const least = bound.leastHeapBytes ?? leastHeapBytes
  return {
    cpuMs: leastCpuMs + Math.max(0, bound.cpuMs - leastCpuMs) * share,
    heapBytes: least + Math.max(0, bound.heapBytes - least) * share,
  }
}
