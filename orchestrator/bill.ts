/**
 * What a turn used and costs, over all its calls: the one that answered, those that broke, and those that were closed.
 *
 * A call whose provider reported its usage counts that. Of any other that was sent only an upper bound is known, and that is
 * booked, so that no way to end a call makes it cheaper than its provider bills: the prompt that was sent, the text that came,
 * and what the model may have made that nobody saw. A call that its provider refused, or that was never sent, counts nothing.
 */
import type { Usage } from '../protocol/shapes.ts'
import { costFor, dearest, microsOf, picosOf } from './budget.ts'
import type { Amounts } from './budget-port.ts'
import { reportedTokensMax, unreadTokens } from './limits.ts'
import type { Price, TargetPolicy } from './policy.ts'
import type { ProviderEnd, ProviderMessage } from './ports.ts'
import type { Question } from './route/target.ts'
import { boundPrompt, tokensOfWeight, tokenWeight } from './token-bound.ts'
import type { Billed } from './written-records.ts'

type Counted = NonNullable<ProviderEnd['usage']>

interface CallUse {
  readonly price: Price | undefined
  readonly thinksUnseen: boolean
  readonly messages: readonly ProviderMessage[]
  /** The longest answer that was asked for, in tokens. */
  readonly answerTokens: number
  isSent: boolean
  /** It counts, whatever its provider says later. */
  isTaken: boolean
  /** `cut`: it was closed or broke, so that more may have been made than came. */
  state: 'open' | 'ended' | 'cut'
  /** It was not read for a while: what waits in the connection is not known. */
  isUnread: boolean
  /** Of the text that came, in hundredths of a token. */
  weight: number
  /** The highest that its provider said on the way. */
  told: Counted | undefined
  /** What its provider said at the end. */
  reported: Counted | undefined
}

export class Bill {
  readonly #calls = new Map<number, CallUse>()
  readonly #isWhole: boolean
  #bounded: { readonly messages: readonly ProviderMessage[]; readonly tokens: number } | undefined
  /** The target whose call brought the end, or `cache`. */
  answeredBy: string | undefined

  /** `isWhole`: false for a turn that another producer began; what that one used is booked by its own reservation. */
  constructor(isWhole = true) {
    this.#isWhole = isWhole
  }

  called(
    call: number,
    { price, reasoning = 'hidden' }: Pick<TargetPolicy, 'price' | 'reasoning'>,
    { messages, maxOutputTokens }: Pick<Question, 'messages' | 'maxOutputTokens'>,
  ): void {
    const asked = { price, thinksUnseen: reasoning === 'hidden', messages, answerTokens: maxOutputTokens }
    this.#calls.set(call, { ...asked, ...untouched })
  }

  /** The answer cost nothing, for certain. */
  free(): void {
    this.answeredBy = 'cache'
    const reported = { inputTokens: 0, outputTokens: 0 }
    const asked = { price: undefined, thinksUnseen: false, messages: [], answerTokens: 0 }
    this.#calls.set(0, { ...asked, ...untouched, isTaken: true, state: 'ended', reported })
  }

  /** Its connection stands, so its request is written. */
  connected(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.isSent = true
  }

  /** The provider took the request. */
  taken(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.isTaken = true
  }

  /** A piece of the answer, or of the thinking that is shown. */
  text(call: number, piece: string): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.weight += tokenWeight(piece)
  }

  unread(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.isUnread = true
  }

  /** The provider said on the way what it counted so far. It may be too little, so it only raises what is booked. */
  counted(call: number, usage: Counted): void {
    const use = this.#calls.get(call)
    if (use === undefined || !isBelievable(usage)) return
    const { inputTokens = 0, outputTokens = 0 } = use.told ?? {}
    use.told = {
      inputTokens: Math.max(inputTokens, usage.inputTokens),
      outputTokens: Math.max(outputTokens, usage.outputTokens),
    }
  }

  /** It came to its end. `usage`: what its provider said then, if it did. */
  ended(call: number, usage: Counted | undefined): void {
    const use = this.#calls.get(call)
    if (use === undefined) return
    use.state = 'ended'
    use.isTaken = true
    const saysTooLittle = usage?.inputTokens === 0 || (usage?.outputTokens === 0 && use.weight > 0)
    if (usage !== undefined && isBelievable(usage) && !saysTooLittle) use.reported = usage
  }

  /** Its provider ended it, in the middle or before. */
  broke(call: number): void {
    const use = this.#calls.get(call)
    if (use !== undefined) use.state = 'cut'
  }

  /** We did not wait for its end. */
  closed(call: number): void {
    const use = this.#calls.get(call)
    if (use === undefined) return
    use.state = 'cut'
    if (use.isSent) use.isTaken = true
  }

  /** As the terminal record says it; the cost is absent when a price is not known. */
  total(): Billed {
    const taken = this.#taken()
    const counted = sum(taken.map((use) => this.#usageOf(use)))
    const isKnown = counted.source !== 'unknown'
    const usage = !this.#isWhole && isKnown ? ({ ...counted, source: 'estimated' } as const) : counted
    const currency = taken[0]?.price?.currency
    if (currency === undefined || taken.some(({ price }) => price === undefined)) return { usage }
    return { usage, cost: costFor(microsOf(this.#picosOf(taken)), currency) }
  }

  /** As the books count it. */
  amounts(): Amounts {
    return this.#amountsOf(this.#taken())
  }

  /** What the turn may have used at most when all of its calls are over that were made until now. */
  most(): Amounts {
    return this.#amountsOf([...this.#calls.values()].filter(({ isTaken, state }) => isTaken || state === 'open'))
  }

  #taken(): readonly CallUse[] {
    return [...this.#calls.values()].filter(({ isTaken }) => isTaken)
  }

  #amountsOf(calls: readonly CallUse[]): Amounts {
    const { inputTokens, outputTokens } = sum(calls.map((use) => this.#usageOf(use)))
    return { tokens: inputTokens + outputTokens, micros: microsOf(this.#picosOf(calls)) }
  }

  #picosOf(calls: readonly CallUse[]): bigint {
    return calls.reduce(
      (all, use) => all + (use.price === undefined ? 0n : picosOf(this.#usageOf(use), dearestUnless(use))),
      0n,
    )
  }

  #usageOf(use: CallUse): Usage {
    if (use.reported !== undefined) return { ...use.reported, source: 'exact' }
    const { answerTokens, told } = use
    const seen = tokensOfWeight(use.weight)
    const isAllPossible = use.thinksUnseen || use.state === 'open' || (use.isUnread && use.state === 'cut')
    const unseen = isAllPossible ? answerTokens : use.state === 'cut' ? unreadTokens : 0
    const inputTokens = Math.max(this.#boundOf(use.messages), told?.inputTokens ?? 0)
    // A provider stops at the length that was asked for.
    const outputTokens = Math.max(Math.min(answerTokens, seen + unseen), told?.outputTokens ?? 0)
    return { inputTokens, outputTokens, source: 'bound' }
  }

  /** Calls of one turn mostly send the same messages. */
  #boundOf(messages: readonly ProviderMessage[]): number {
    if (this.#bounded?.messages !== messages) this.#bounded = { messages, tokens: boundPrompt(messages) }
    return this.#bounded.tokens
  }
}

const untouched = {
  isSent: false,
  isTaken: false,
  state: 'open',
  isUnread: false,
  weight: 0,
  told: undefined,
  reported: undefined,
} as const

function isBelievable({ inputTokens, outputTokens }: Counted): boolean {
  return inputTokens <= reportedTokensMax && outputTokens <= reportedTokensMax
}

/** Nobody said whether a part of the prompt was cached. */
function dearestUnless({ price, reported }: CallUse): Price {
  if (price === undefined) throw new Error('unable to price a call: it has no price')
  return reported === undefined ? dearest(price) : price
}

function sum(usages: readonly Usage[]): Usage {
  const [first, ...more] = usages
  if (first === undefined) return { inputTokens: 0, outputTokens: 0, source: 'unknown' }
  return more.reduce<Usage>((all, one) => {
    const cachedTokens = (all.cachedTokens ?? 0) + (one.cachedTokens ?? 0)
    const reasoningTokens = (all.reasoningTokens ?? 0) + (one.reasoningTokens ?? 0)
    return {
      inputTokens: all.inputTokens + one.inputTokens,
      outputTokens: all.outputTokens + one.outputTokens,
      ...(cachedTokens > 0 && { cachedTokens }),
      ...(reasoningTokens > 0 && { reasoningTokens }),
      source: all.source === 'exact' && one.source === 'exact' ? 'exact' : 'bound',
    }
  }, first)
}
