/**
 * What a turn used and costs, over all its calls: the one that answered, those that broke in the middle, and those that were
 * closed for being slow. A call that its provider did not take counts nothing. What a provider does not report is estimated,
 * and the whole says so; `exact` is only what was reported for every call.
 */
import type { Usage } from '../protocol/shapes.ts'
import type { Price } from './policy.ts'
import type { ProviderEnd } from './ports.ts'
import { tokensOf } from './token-estimate.ts'
import type { Billed } from './written-records.ts'

interface CallUse {
  readonly price: Price | undefined
  readonly promptTokens: number
  isTaken: boolean
  units: number
  bytes: number
  reported: ProviderEnd['usage']
}

export class Bill {
  readonly #calls = new Map<number, CallUse>()

  called(call: number, price: Price | undefined, promptTokens: number): void {
    this.#calls.set(call, { price, promptTokens, isTaken: false, units: 0, bytes: 0, reported: undefined })
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

  total(): Billed & { readonly picos: number } {
    const taken = [...this.#calls.values()].filter(({ isTaken }) => isTaken)
    const usage = sum(taken.map(usageOf))
    const priced = taken.map(picosOf)
    const picos = priced.reduce<number>((all, one) => all + (one ?? 0), 0)
    const currency = taken[0]?.price?.currency
    if (currency === undefined || priced.includes(undefined)) return { usage, picos }
    return { usage, picos, cost: { amount: amountOf(picos), currency } }
  }
}

function usageOf({ reported, promptTokens, units, bytes }: CallUse): Usage {
  if (reported !== undefined) return { ...reported, source: 'exact' }
  return { inputTokens: promptTokens, outputTokens: tokensOf(units, bytes), source: 'estimated' }
}

function sum(usages: readonly Usage[]): Usage {
  const [first, ...more] = usages
  if (first === undefined) return { inputTokens: 0, outputTokens: 0, source: 'unknown' }
  return more.reduce<Usage>((all, one) => {
    const cached = (all.cachedTokens ?? 0) + (one.cachedTokens ?? 0)
    return {
      inputTokens: all.inputTokens + one.inputTokens,
      outputTokens: all.outputTokens + one.outputTokens,
      ...(cached > 0 && { cachedTokens: cached }),
      source: all.source === 'exact' && one.source === 'exact' ? 'exact' : 'estimated',
    }
  }, first)
}

/** Exact: a price is a whole number of picounits a token. */
function picosOf(use: CallUse): number | undefined {
  const { price } = use
  if (price === undefined) return undefined
  const { inputTokens, outputTokens, cachedTokens = 0 } = usageOf(use)
  const fresh = Math.max(0, inputTokens - cachedTokens)
  return fresh * price.input + cachedTokens * price.cachedInput + outputTokens * price.output
}

/** A decimal number of units, without zeros at its end. */
export function amountOf(picos: number): string {
  const digits = String(picos).padStart(13, '0')
  const fraction = digits.slice(-12).replace(/0+$/, '')
  return fraction === '' ? digits.slice(0, -12) : `${digits.slice(0, -12)}.${fraction}`
}
