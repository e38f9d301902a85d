/**
 * One turn, from the message to its end. This is the place to see what happens to a message, in this order:
 *
 *   admit → accept → prompt → redact → route → call → filter → append → settle
 *
 * `acceptMessage` is the part that somebody waits for; `runTurn` goes on by itself and needs nobody, so that a lost socket
 * ends nothing. A turn keeps the policy that held when its message came, whatever the operator changes meanwhile.
 */
import type { Context } from '@opentelemetry/api'
import { type Refusal, refusal } from '../protocol/error.ts'
import type { Metadata } from '../protocol/shapes.ts'
import { type Stored, storeMessage } from './accept-message.ts'
import type { Admission, Load } from './admission.ts'
import type { Backlog } from './backlog.ts'
import { Bill } from './bill.ts'
import type { Claim } from './claim.ts'
import { historyTries, historyWaitMaxMs, repeatMinMs } from './limits.ts'
import { aliasOf, type Policy } from './policy.ts'
import type { Audience, Clock, TurnLog, TurnLogger, TurnTelemetry } from './ports.ts'
import { type Producer, type Stopped, startProducer } from './producer.ts'
import { buildPrompt, continued, historyUnavailable, type Prompt } from './prompt.ts'
import { defaultPrompt, type Prompts } from './prompts.ts'
import { orderFor } from './route/order.ts'
import { type AnswerSink, RoutedAnswer } from './route/routed-answer.ts'
import type { Question } from './route/target.ts'
import type { Targets } from './route/targets.ts'
import { startSpans, type TurnSpans } from './spans.ts'
import type { TurnBounds } from './turn-state.ts'
import { witnessOf } from './witness.ts'

export interface RunOptions extends TurnBounds {
  /** The longest prompt, in estimated tokens. */
  readonly promptTokens: number
  /** The longest answer, in UTF-8 bytes. */
  readonly tapeBytes: number
  /** What becomes of a dead producer's turn. */
  readonly takeOver: 'restart' | 'continue' | 'fail'
}

export interface RunPorts {
  readonly log: TurnLog
  /** What holds now. */
  readonly policy: () => Policy
  readonly targets: Pick<Targets, 'get'>
  readonly audience: Audience
  readonly telemetry: TurnTelemetry
  readonly logger: TurnLogger
  readonly clock: Clock
  readonly prompts: Prompts
  readonly randomId: () => string
  readonly backlog: Backlog
}

export interface SendRequest {
  readonly session: string
  readonly owner: { readonly tenant: string; readonly subject: string }
  readonly attributes: { readonly project?: string; readonly prompt?: string; readonly channel?: string }
  readonly messageId: string
  readonly content: string
  readonly replaces?: string
  readonly model?: string
  readonly metadata?: Metadata
  /** Where the turn's span hangs. */
  readonly parent?: Context
}

/** A turn that this node claimed, and what it is about. */
export interface Work {
  readonly claim: Claim
  readonly policy: Policy
  readonly system: string
  readonly content: string
  readonly messageSeq: number
  readonly replaces?: string
  readonly model?: string
  readonly parent?: Context
}

export type Acceptance =
  | { readonly kind: 'mine'; readonly turn: string; readonly seq: number; readonly work: Work }
  | Exclude<Stored, { kind: 'mine' }>

export async function acceptMessage(
  request: SendRequest,
  /** It was admitted before, and had to wait. */
  isAdmitted: boolean,
  load: Load,
  admission: Admission,
  options: RunOptions,
  ports: RunPorts,
): Promise<Acceptance> {
  const policy = ports.policy()
  const system = systemPrompt(request.attributes.prompt, policy, ports)
  if (system === undefined) return refused('invalid', 'there is no prompt of that name')
  if (aliasOf(policy, request.model) === undefined) return refused('invalid', 'this model is not offered here')
  const applicant = { owner: request.owner, content: request.content, system }
  const notAdmitted = isAdmitted ? undefined : admission.admit(applicant, load)
  if (notAdmitted !== undefined) return { kind: 'refused', refusal: notAdmitted }
  const stored = await storeMessage(request, ports.randomId(), options.leaseMs, ports)
  if (stored.kind !== 'mine') return stored
  const { claim, seq } = stored
  return { kind: 'mine', turn: claim.turn, seq, work: workOf(request, claim, policy, system, seq) }
}

/** Runs a claimed turn to its end. Never rejects. `onStart` is called before anything else, synchronously. */
export async function runTurn(
  work: Work,
  options: RunOptions,
  ports: RunPorts,
  onStart: (producer: Producer) => void,
): Promise<Stopped> {
  const { session, turn } = work.claim
  const spans = startSpans({ session, turn }, work.parent)
  const startedMs = ports.clock.monotonicMs()
  const model = work.model ?? work.policy.defaultModel
  const bill = new Bill()
  // Append and end are the producer's: text that comes in leaves it acknowledged by the store.
  const producer = startProducer(work.claim, { ...options, model }, ports, () => bill.total())
  onStart(producer)
  try {
    const prompt = await promptFor(work, options, ports, () => producer.isOpen)
    if (prompt.kind === 'refused') producer.fail(prompt.refusal)
    else if (producer.isOpen) call(producer, prompt, work, bill, ports, spans)
  } catch (error) {
    producer.broke(error)
  }
  const stopped = await producer.stopped
  settle(stopped, model, ports.clock.monotonicMs() - startedMs, work, ports, spans)
  return stopped
}

type BuiltPrompt = Extract<Prompt, { kind: 'ok' }>

/** A store that is away for a moment does not cost an accepted message its answer: it is read again for a bounded time. */
async function promptFor(
  work: Work,
  options: RunOptions,
  { log, clock }: RunPorts,
  isOpen: () => boolean,
): Promise<Prompt> {
  const { claim, system, content, messageSeq, replaces } = work
  const request = { session: claim.session, system, content, beforeSeq: messageSeq, limitTokens: options.promptTokens }
  for (let tries = 0; tries < historyTries && isOpen(); tries++) {
    try {
      const prompt = await buildPrompt(log, replaces === undefined ? request : { ...request, replaces })
      return claim.kept === undefined ? prompt : continued(prompt, claim.kept)
    } catch {
      const waitMs = Math.min(historyWaitMaxMs, repeatMinMs * 2 ** tries)
      await new Promise<void>((resolve) => clock.after(waitMs, resolve))
    }
  }
  return { kind: 'refused', refusal: historyUnavailable() }
}

/** Asks the targets of the turn's model, one or several, and hands on what they bring. */
function call(
  producer: Producer,
  prompt: BuiltPrompt,
  work: Work,
  bill: Bill,
  { targets, telemetry, clock }: RunPorts,
  spans: TurnSpans,
): void {
  const { policy, claim, model } = work
  const alias = aliasOf(policy, model)
  if (alias === undefined) return producer.fail(refusal('invalid', 'this model is not offered here any more'))
  const answer = new RoutedAnswer(questionOf(prompt, work), {
    plan: { retry: policy.retry, order: orderFor(alias, claim.session), hasOffline: alias.offline !== undefined },
    targetOf: (name) => targets.get(name),
    sink: answerSink(producer, prompt, work, alias.offline ?? ''),
    witness: witnessOf(bill, telemetry, spans),
    clock,
    chance: Math.random,
  })
  producer.called(answer)
  if (producer.isOpen) answer.start()
}

function questionOf({ messages, tokens }: BuiltPrompt, { policy, model }: Work): Question {
  const question = { messages, tokens, maxOutputTokens: policy.limits.answerTokens }
  // A name that is no alias goes on to the target as it is.
  return model === undefined || policy.models.has(model) ? question : { ...question, model }
}

/** What must not reach the reader is taken out here, between the model and the tape. */
function answerSink(producer: Producer, prompt: BuiltPrompt, work: Work, offline: string): AnswerSink {
  return {
    text: (piece) => producer.text(piece),
    broke(how, { message }, proceed) {
      producer.mend(how === 'continue', message, (kept) => {
        const next = kept.length === 0 ? prompt : continued(prompt, Buffer.from(kept))
        if (next.kind === 'ok') proceed(questionOf(next, work))
      })
    },
    finish: ({ finishReason }) => producer.finish(finishReason),
    offline() {
      producer.text(offline)
      producer.finish('offline')
    },
    fail: (error) => producer.fail(error),
    bug: (error) => producer.broke(error),
  }
}

/** What a turn used is told, and charged to its subject's budget, here. */
function settle(
  stopped: Stopped,
  model: string,
  durationMs: number,
  { claim: { session, turn } }: Work,
  { telemetry, logger }: RunPorts,
  spans: TurnSpans,
): void {
  spans.stopped(stopped)
  const { reason, outcome, usage, cost } = stopped
  if (outcome === undefined) return logger.warn({ session, turn, reason }, 'turn left')
  const error = outcome.error?.kind
  const { kind, finishReason } = outcome
  const end = { kind, model, finishReason, durationMs, usage, ...(cost && { cost }), ...(error && { error }) }
  telemetry.turnEnded(end)
  logger.info({ session, turn, ...end }, 'turn ended')
}

export function systemPrompt(name: string | undefined, policy: Policy, ports: RunPorts): string | undefined {
  const date = new Date(ports.clock.nowMs()).toISOString().slice(0, 10)
  return ports.prompts.system(name ?? defaultPrompt, { date, model: policy.defaultModel })
}

function workOf(request: SendRequest, claim: Claim, policy: Policy, system: string, messageSeq: number): Work {
  const { content, replaces, model, parent } = request
  const optional = { ...(replaces && { replaces }), ...(model && { model }), ...(parent && { parent }) }
  return { claim, policy, system, content, messageSeq, ...optional }
}

function refused(kind: Refusal['kind'], message: string): Acceptance {
  return { kind: 'refused', refusal: refusal(kind, message) }
}
