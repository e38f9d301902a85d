import type { Refusal } from '../protocol/error.ts'
import type { TurnTelemetry } from './ports.ts'
import type { Restorer } from './privacy/restore.ts'
import type { TenantFilters } from './privacy/tenant-filters.ts'
import type { Producer } from './producer.ts'
import type { Prompt } from './prompt.ts'
import type { Question } from './route/target.ts'
import type { Work } from './run-turn.ts'

export type BuiltPrompt = Extract<Prompt, { kind: 'ok' }>

/** What a provider is asked, and what puts the values back into its answer. */
export interface Asked {
  readonly kind: 'ok'
  readonly question: Question
  readonly restorer: Restorer
}

/** Refused: it took too long to look through. */
export async function redactPrompt(
  { messages, tokens }: BuiltPrompt,
  { claim, policy, model, parameters }: Pick<Work, 'claim' | 'policy' | 'model' | 'parameters'>,
  filters: TenantFilters,
  telemetry: Pick<TurnTelemetry, 'redacted'>,
): Promise<Asked | { readonly kind: 'refused'; readonly refusal: Refusal }> {
  const redaction = await filters.redact(claim.session, messages)
  if (redaction.kind === 'refused') return redaction
  for (const [kind, count] of redaction.counts) telemetry.redacted(kind, count)
  const log = { session: claim.session, turn: claim.turn }
  const asked = { messages: redaction.messages, tokens, maxOutputTokens: policy.limits.answerTokens, log }
  const question = parameters === undefined ? asked : { ...asked, parameters }
  // A name that is no alias goes on to the target as it is.
  const isAlias = model === undefined || policy.models.has(model)
  return { kind: 'ok', question: isAlias ? question : { ...question, model }, restorer: redaction.restorer }
}

/** Why the question must not be answered, where moderation says so; undefined: it may be, or the turn has ended. */
export async function forbiddenQuestion(
  { question }: Asked,
  filters: TenantFilters,
  producer: Producer,
): Promise<Refusal | undefined> {
  const abort = new AbortController()
  let isChecking = true
  void producer.stopped.then(() => isChecking && abort.abort())
  const forbidden = await filters.checkQuestion(question.messages, abort.signal)
  isChecking = false
  return producer.isOpen ? forbidden : undefined
}
