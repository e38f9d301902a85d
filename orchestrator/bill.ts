/**
 * What a turn used and costs, over all its calls: the one that answered, those that broke in the middle, and those that were
 * closed for being slow. A call that its provider refused counts nothing; one that we closed counts its prompt, once its
 * connection stood. What a provider does not report is estimated,
 * and the whole says so; `exact` is only what was reported for every call.
 */
import type { Usage } from '../protocol/shapes.ts'
import { costFor, microsOf, picosOf } from './budget.ts'
import type { Amounts } from './budget-port.ts'
import type { Price } from './policy.ts'
import type { ProviderEnd } from './ports.ts'
import { tokensOf } from './token-estimate.ts'
import type { Billed } from './written-records.ts'

interface CallUse {
  readonly price: Price | undefined
  readonly promptTokens: number
  isConnected: boolean
  isTaken: boolean
  units: number
  bytes: number
  reported: ProviderEnd['usage']
}

export class Bill {
  readonly #calls = new Map<number, CallUse>()
  readonly #isWhole: boolean
  /** The target whose call brought the end, or `cache`. */
  answeredBy: string | undefined

  /** `isWhole`: false for a turn that another producer began; what that one used is not known here. */
  constructor(isWhole = true) {
    this.#isWhole = isWhole
  }

  called(call: number, price: Price | undefined, promptTokens: number): void {
    this.#calls.set(call, {
      price,
      promptTokens,
      isConnected: false,
      isTaken: false,
      units: 0,
      bytes: 0,
      reported: undefined,
    })
  }

  /** The answer cost nothing, for certain. */
  free(): void {
    this.answeredBy = 'cache'
    const price = undefined
    const reported = { inputTokens: 0, outputTokens: 0 }
    this.#calls.set(0, { price, promptTokens: 0, isConnected: true, isTaken: true, units: 0, bytes: 0, reported })
  }

  connected(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.isConnected = true
  }

  /** We did not wait for its end. */
  closed(call: number): void {
    const use = this.#calls.get(call)
    if (use?.isConnected === true) use.isTaken = true
  }

  /** The provider took the request. */
  taken(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.isTaken = true
  }

  text(call: number, piece: string): void {
    const use = this.#calls.get(call)
    if (use === undefined) return
    use.units += piece.length
    use.bytes += Buffer.byteLength(piece)
  }

  reported(call: number, usage: ProviderEnd['usage']): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.reported = usage
  }

  /** As the terminal record says it; the cost is absent when a price is not known. */
  total(): Billed {
    const taken = this.#taken()
    const counted = sum(taken.map(usageOf))
    const usage =
      !this.#isWhole && counted.source === 'exact' ? ({ ...counted, source: 'estimated' } as const) : counted
    const currency = taken[0]?.price?.currency
    if (currency === undefined || taken.some(({ price }) => price === undefined)) return { usage }
    return { usage, cost: costFor(microsOf(picosOfAll(taken)), currency) }
  }

  /** As the books count it. */
  amounts(): Amounts {
    const taken = this.#taken()
    const { inputTokens, outputTokens } = sum(taken.map(usageOf))
    return { tokens: inputTokens + outputTokens, micros: microsOf(picosOfAll(taken)) }
  }

  #taken(): readonly CallUse[] {
    return [...this.#calls.values()].filter(({ isTaken }) => isTaken)
  }
}

function picosOfAll(calls: readonly CallUse[]): bigint {
  return calls.reduce((all, use) => all + (use.price === undefined ? 0n : picosOf(usageOf(use), use.price)), 0n)
}

function usageOf({ reported, promptTokens, units, bytes }: CallUse): Usage {
  if (reported !== undefined) return { ...reported, source: 'exact' }
  return { inputTokens: promptTokens, outputTokens: tokensOf(units, bytes), source: 'estimated' }
}

function sum(usages: readonly Usage[]): Usage {
  const [first, ...more] = usages
  if (first === undefined) return { inputTokens: 0, outputTokens: 0, source: 'unknown' }
  return more.reduce<Usage>((all, one) => {
    const cachedTokens = (all.cachedTokens ?? 0) + (one.cachedTokens ?? 0)
    return {
      inputTokens: all.inputTokens + one.inputTokens,
      outputTokens: all.outputTokens + one.outputTokens,
      ...(cachedTokens > 0 && { cachedTokens }),
      source: all.source === 'exact' && one.source === 'exact' ? 'exact' : 'estimated',
    }
  }, first)
}
