/**
 * A prompt and its answer share the model's context. This says how much of it a prompt may take, and cuts the history of one
 * that takes more.
 *
 * Tokens are estimated first, since a model's own tokenizer is not known, with an eighth of the context as margin. An endpoint
 * that still refuses is asked once more with a prompt whose upper bound fits.
 */
import { contextMargin, leastAnswerTokens } from './limits.ts'
import type { ProviderMessage } from './ports.ts'
import { boundMessage, boundPrompt } from './token-bound.ts'
import { estimateTokens, tokensPerMessage } from './token-estimate.ts'

/** How tokens are counted: `estimate` about right, `bound` never too low. */
export type TokenMeasure = 'estimate' | 'bound'

/** What the longest prompt may take of this context, so that its answer still fits: at least half of it. */
export function promptRoom(contextTokens: number, answerTokens: number): number {
  const usable = usableTokens(contextTokens, 'estimate')
  return usable - Math.min(answerTokens, Math.floor(usable / 2))
}

export interface FittedPrompt {
  readonly messages: readonly ProviderMessage[]
  readonly answerTokens: number
}

/**
 * The prompt with as much history as fits, the latest turns first, and the longest answer that fits beside it. The system
 * prompt, the question and what follows it always stay. Undefined: they alone are too long.
 */
export function fitPrompt(
  messages: readonly ProviderMessage[],
  answerTokens: number,
  contextTokens: number,
  measure: TokenMeasure,
): FittedPrompt | undefined {
  const usable = usableTokens(contextTokens, measure)
  const { system, turns, question } = partsOf(messages)
  const costOf = measure === 'bound' ? boundMessage : estimateMessage
  const costsOf = (part: readonly ProviderMessage[]) => part.reduce((sum, { content }) => sum + costOf(content), 0)
  let taken = (measure === 'bound' ? boundPrompt([]) : 0) + costsOf(system) + costsOf(question)
  if (usable - taken < Math.min(leastAnswerTokens, answerTokens)) return undefined
  const room = usable - Math.min(answerTokens, Math.floor(usable / 2))
  const kept: ProviderMessage[] = []
  for (const turn of turns.toReversed()) {
    const cost = costsOf(turn)
    if (taken + cost > room) break
    taken += cost
    kept.unshift(...turn)
  }
  return { messages: [...system, ...kept, ...question], answerTokens: Math.min(answerTokens, usable - taken) }
}

function usableTokens(contextTokens: number, measure: TokenMeasure): number {
  return measure === 'bound' ? contextTokens : Math.floor(contextTokens * (1 - contextMargin))
}

function estimateMessage(content: string): number {
  return estimateTokens(content) + tokensPerMessage
}

interface PromptParts {
  readonly system: readonly ProviderMessage[]
  /** A message of the user with all that follows it. */
  readonly turns: readonly (readonly ProviderMessage[])[]
  /** The last of them. */
  readonly question: readonly ProviderMessage[]
}

function partsOf(messages: readonly ProviderMessage[]): PromptParts {
  const firstUser = messages.findIndex(({ role }) => role === 'user')
  if (firstUser < 0) return { system: [], turns: [], question: messages }
  const turns: ProviderMessage[][] = []
  for (const message of messages.slice(firstUser)) {
    if (message.role === 'user') turns.push([message])
    else turns.at(-1)?.push(message)
  }
  return { system: messages.slice(0, firstUser), turns: turns.slice(0, -1), question: turns.at(-1) ?? [] }
}
