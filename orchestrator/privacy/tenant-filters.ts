/**
 * What a tenant's policy makes of prompts and answers: its patterns and words are compiled once, however many turns use
 * them. A policy is replaced whole, and the filters of one that nobody uses any more go with it.
 */
import type { Refusal } from '../../protocol/error.ts'
import type { TenantPrivacy } from '../policy.ts'
import type { Clock, ProviderMessage } from '../ports.ts'
import { type AnswerFilter, type AnswerSink, createAnswerFilter, refusalOf } from './answer-filter.ts'
import { createOutputFilter } from './filter-words.ts'
import { createModerator } from './moderate.ts'
import { createRedactor, type Redaction } from './redact.ts'
import type { Restorer } from './restore.ts'
import { WordList } from './word-list.ts'

export interface TenantFilters {
  /** What the provider may see of a prompt, and what puts the rest back into its answer. Never rejects but for a bug. */
  redact(session: string, messages: readonly ProviderMessage[]): Promise<Redaction>
  /**
   * Why the last message of a redacted prompt's user must not be answered; undefined: it may be. At once where no
   * moderation is configured.
   */
  checkQuestion(redacted: readonly ProviderMessage[], signal: AbortSignal): Promise<Refusal | undefined>
  /** For one answer to a redacted prompt. */
  startAnswer(restorer: Restorer, clock: Pick<Clock, 'after'>, sink: AnswerSink): AnswerFilter
}

/**
 * `secret`: at least 32 random bytes, the same on all nodes of a deployment. Throws a `RangeError` for a tenant whose
 * words are empty or longer than 200 units.
 */
export function createTenantFilters(secret: Uint8Array): (privacy: TenantPrivacy) => TenantFilters {
  const known = new WeakMap<TenantPrivacy, TenantFilters>()
  return (privacy) => {
    const before = known.get(privacy)
    if (before !== undefined) return before
    const filters = compiled(privacy, secret)
    known.set(privacy, filters)
    return filters
  }
}

function compiled(privacy: TenantPrivacy, secret: Uint8Array): TenantFilters {
  const redactor = createRedactor(privacy, secret)
  const words = new WordList(privacy.filter.words)
  const { moderation } = privacy.filter
  const moderator = moderation && createModerator(moderation)
  return {
    redact: (session, messages) => redactor.redact(session, messages),
    async checkQuestion(redacted, signal) {
      const question = redacted.findLast(({ role }) => role === 'user')
      if (moderator === undefined || question === undefined) return undefined
      const verdict = await moderator.check(question.content, signal)
      return verdict.kind === 'fine' ? undefined : refusalOf(verdict, 'message')
    },
    startAnswer: (restorer, clock, sink) =>
      createAnswerFilter({ restorer, words: createOutputFilter(words), clock, ...(moderator && { moderator }) }, sink),
  }
}
