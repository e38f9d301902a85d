/**
 * One turn, from the message to its end. This is the place to see what happens to a message, in this order:
 *
 *   admit → redact → accept → route → prompt → call → filter → append → end
 *
 * `acceptMessage` is the part that somebody waits for; `runTurn` goes on by itself and needs nobody, so that a lost socket
 * ends nothing. The model is chosen before the prompt is made, since the opening record names it and may be due first.
 */
import { createHash } from 'node:crypto'
import type { Context } from '@opentelemetry/api'
import { type Refusal, refusal } from '../protocol/error.ts'
import type { Metadata } from '../protocol/shapes.ts'
import type { Admission } from './admission.ts'
import { type Flags, noFlags } from './flags.ts'
import {
  acceptTries,
  busyRetryMs,
  historyTries,
  historyWaitMaxMs,
  repeatMinMs,
  repeatSpreadMs,
  unavailableRetryMs,
} from './limits.ts'
import type {
  AcceptReply,
  AcceptRequest,
  Audience,
  Clock,
  Provider,
  TurnLog,
  TurnLogger,
  TurnTelemetry,
} from './ports.ts'
import { type Claim, type Producer, type Stopped, startProducer } from './producer.ts'
import { buildPrompt, continued, historyUnavailable, type Prompt } from './prompt.ts'
import type { ChosenPrompt, PromptChoice, Prompts } from './prompts/prompts.ts'
import { startSpans, type TurnSpans } from './spans.ts'
import { tokensOf } from './token-estimate.ts'
import type { ClaimReply, TurnBounds } from './turn-state.ts'

export interface RunOptions extends TurnBounds {
  /** The model that answers when the message names none. */
  readonly model: string
  /** What a message may name. */
  readonly models: 'any' | ReadonlySet<string>
  /** The longest answer, in tokens, and the longest prompt, estimated. */
  readonly maxOutputTokens: number
  readonly promptTokens: number
  /** The longest answer, in UTF-8 bytes. */
  readonly tapeBytes: number
  /** What becomes of a dead producer's turn. */
  readonly takeOver: 'restart' | 'continue' | 'fail'
}

export interface RunPorts {
  readonly log: TurnLog
  readonly provider: Provider
  readonly audience: Audience
  readonly telemetry: TurnTelemetry
  readonly logger: TurnLogger
  readonly clock: Clock
  readonly prompts: Prompts
  /** Absent: nothing is switched off, and no experiment runs. */
  readonly flags?: Flags
  readonly randomId: () => string
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
  readonly system: string
  readonly prompt: ChosenPrompt
  readonly content: string
  readonly messageSeq: number
  readonly replaces?: string
  readonly model?: string
  readonly parent?: Context
}

export type Acceptance =
  | { readonly kind: 'mine'; readonly turn: string; readonly seq: number; readonly work: Work }
  | { readonly kind: 'repeat'; readonly turn: string; readonly seq: number }
  /** Another turn is running; `lapsed`: its producer seems dead. */
  | { readonly kind: 'busy' | 'lapsed'; readonly turn: string; readonly refusal: Refusal }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export async function acceptMessage(
  request: SendRequest,
  /** It was admitted before, and had to wait. */
  isAdmitted: boolean,
  runningCount: number,
  admission: Admission,
  options: RunOptions,
  ports: RunPorts,
): Promise<Acceptance> {
  const choice = await choosePrompt(request, options, ports)
  if (choice.kind === 'unknown') return refused('invalid', 'there is no prompt of that name')
  const { system } = choice
  if (!isModelAllowed(request.model, options)) return refused('invalid', 'this model is not offered here')
  const applicant = { owner: request.owner, content: request.content, system }
  const notAdmitted = isAdmitted ? undefined : admission.admit(applicant, runningCount)
  if (notAdmitted !== undefined) return { kind: 'refused', refusal: notAdmitted }
  const content = redact(request.content)
  const accept = acceptRequest(request, content, options, ports)
  const reply = await acceptSurely(accept, ports)
  if (reply === undefined)
    return refused('unavailable', 'the message could not be stored; send it again', unavailableRetryMs)
  if (reply.kind !== 'yours') return notMine(reply)
  const { turn, entry } = reply
  const claim = acceptedClaim(accept, ports.log)
  return { kind: 'mine', turn, seq: entry.seq, work: workOf(request, claim, choice, content, entry.seq) }
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
  const model = route(work.model, options)
  // Filter, append and end are the producer's: text that comes in leaves it acknowledged by the store.
  const producer = startProducer(work.claim, { ...options, model, prompt: work.prompt }, ports, tokensOf)
  onStart(producer)
  try {
    const prompt = await promptFor(work, options, ports, () => producer.isOpen)
    if (prompt.kind === 'refused') producer.fail(prompt.refusal)
    else if (producer.isOpen) call(producer, prompt, model, options, ports, spans)
  } catch (error) {
    producer.broke(error)
  }
  const stopped = await producer.stopped
  settle(stopped, model, ports.clock.monotonicMs() - startedMs, work, ports, spans)
  return stopped
}

/** Personal data is taken out of a message here, before it is written anywhere. */
function redact(content: string): string {
  return content
}

/** An alias becomes a target here: one of several, by weight, health and budget. There is one so far. */
function route(model: string | undefined, options: RunOptions): string {
  return model ?? options.model
}

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

function call(
  producer: Producer,
  prompt: Extract<Prompt, { kind: 'ok' }>,
  model: string,
  options: RunOptions,
  { provider, telemetry }: RunPorts,
  spans: TurnSpans,
): void {
  const { maxOutputTokens } = options
  telemetry.providerCalled(model)
  spans.called(provider.name, model, maxOutputTokens)
  const providerCall = provider.call(
    { model, messages: prompt.messages, maxOutputTokens },
    {
      started(answer) {
        producer.began()
        spans.started(answer)
      },
      // What must not reach the reader is taken out here, between the model and the tape.
      text: (piece) => producer.text(piece),
      ended: (end) => producer.finish(end),
      failed: (error) => producer.fail(error),
    },
  )
  producer.called(providerCall, prompt.tokens)
}

/** What a turn used is charged to its subject's budget here. */
function settle(
  stopped: Stopped,
  model: string,
  durationMs: number,
  { claim: { session, turn } }: Work,
  { telemetry, logger }: RunPorts,
  spans: TurnSpans,
): void {
  spans.stopped(stopped)
  const { reason, outcome, usage } = stopped
  if (outcome === undefined) return logger.warn({ session, turn, reason }, 'turn left')
  const error = outcome.error?.kind
  const { kind, finishReason } = outcome
  const end = { kind, model, finishReason, durationMs, usage, ...(error && { error }) }
  telemetry.turnEnded(end)
  logger.info({ session, turn, ...end }, 'turn ended')
}

export async function choosePrompt(
  { session, owner, attributes, model }: Pick<SendRequest, 'session' | 'owner' | 'attributes' | 'model'>,
  options: RunOptions,
  { prompts, flags = noFlags, clock }: RunPorts,
): Promise<PromptChoice> {
  const { prompt: named, ...where } = attributes
  const who = { session, ...owner, ...where }
  const request = { ...who, ...(named !== undefined && { named }), model: model ?? options.model, nowMs: clock.nowMs() }
  return prompts.choose(request, await flags.of(who))
}

function isModelAllowed(model: string | undefined, { models }: RunOptions): boolean {
  return model === undefined || models === 'any' || models.has(model)
}

function workOf(
  request: SendRequest,
  claim: Claim,
  { system, chosen }: Extract<PromptChoice, { kind: 'ok' }>,
  content: string,
  messageSeq: number,
): Work {
  const { replaces, model, parent } = request
  const optional = { ...(replaces && { replaces }), ...(model && { model }), ...(parent && { parent }) }
  return { claim, system, prompt: chosen, content, messageSeq, ...optional }
}

function acceptRequest(request: SendRequest, content: string, options: RunOptions, ports: RunPorts): AcceptRequest {
  const { session, messageId, replaces, model, metadata } = request
  const turn = ports.randomId()
  return {
    session,
    messageId,
    hash: hashOf(request),
    turn,
    token: ports.randomId(),
    leaseMs: options.leaseMs,
    record: {
      type: 'message.added',
      timeMs: ports.clock.nowMs(),
      turn,
      message: metadata === undefined ? { messageId, content } : { messageId, content, metadata },
      ...(replaces !== undefined && { replaces }),
      ...(model !== undefined && { model }),
    },
  }
}

/** Of the content and the options, whatever order the metadata's keys came in. */
function hashOf({ content, replaces, model, metadata }: SendRequest): string {
  const pairs = Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const canonical = JSON.stringify([content, replaces ?? null, model ?? null, pairs])
  return createHash('sha256').update(canonical).digest('hex')
}

/** Undefined: the store is away. The same claim is asked again, so that the winner does not hear that it lost. */
async function acceptSurely(request: AcceptRequest, { log, clock }: RunPorts): Promise<AcceptReply | undefined> {
  for (let tries = 0; tries < acceptTries; tries++) {
    const reply = await log.accept(request).catch(() => undefined)
    if (reply !== undefined) return reply
    const waitMs = repeatMinMs + Math.random() * repeatSpreadMs
    await new Promise<void>((resolve) => clock.after(waitMs, resolve))
  }
  return undefined
}

function acceptedClaim(request: AcceptRequest, log: Pick<TurnLog, 'accept'>): Claim {
  const { session, turn, token } = request
  return {
    session,
    turn,
    token,
    start: { from: 'accepted', foreignAttempt: 0 },
    async repeat(): Promise<ClaimReply> {
      const reply = await log.accept(request)
      if (reply.kind === 'yours') return 'yours'
      return reply.kind === 'gone' ? 'gone' : 'others'
    },
  }
}

function notMine(reply: Exclude<AcceptReply, { kind: 'yours' }>): Acceptance {
  switch (reply.kind) {
    case 'repeat':
      return { kind: 'repeat', turn: reply.turn, seq: reply.entry.seq }
    case 'conflict':
      return refused('conflict', 'another message was sent with this messageId')
    case 'not-last':
      return refused('conflict', 'only the last turn can be replaced')
    case 'busy': {
      const busy = refusal('busy', 'another answer is under way in this session; wait for it or cancel it', busyRetryMs)
      return { kind: reply.lease === 'lapsed' ? 'lapsed' : 'busy', turn: reply.turn, refusal: busy }
    }
    case 'store-full':
      return refused('unavailable', 'the store is full; send the message again', reply.retryAfterMs)
    case 'gone':
      return refused('not-found', 'there is no such session')
  }
}

function refused(kind: Refusal['kind'], message: string, retryAfterMs?: number): Acceptance {
  return { kind: 'refused', refusal: refusal(kind, message, retryAfterMs) }
}
