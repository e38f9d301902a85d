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
import { estimateTurn, refuseInput } from './budget.ts'
import { type CallPorts, callTargets, routeFor } from './call-targets.ts'
import type { Claim } from './claim.ts'
import { promptRoom } from './context-room.ts'
import { type Flags, noFlags, type TurnFlags } from './flags.ts'
import { historyPageRecords, historyTries, historyWaitMaxMs, repeatMinMs } from './limits.ts'
import {
  aliasOf,
  answerTokensOf,
  countsSize,
  limitsFor,
  longestAnswer,
  type ModelAlias,
  modelLabel,
  type Policy,
  privacyFor,
  promptTokensAllowed,
  type RequestParameters,
  type TenantPrivacy,
} from './policy.ts'
import type { Audience, TurnLog, TurnLogger } from './ports.ts'
import type { TenantFilters } from './privacy/tenant-filters.ts'
import { type Producer, type Stopped, startProducer } from './producer.ts'
import { buildPrompt, continued, costOf, historyUnavailable, type Prompt, tooLong } from './prompt.ts'
import type { ChosenPrompt, PromptChoice, Prompts } from './prompts/prompts.ts'
import { forbiddenQuestion, redactPrompt } from './redact-prompt.ts'
import { type Reservation, type ReservationPorts, reserve, type Spender } from './reservation.ts'
import { startSpans, type TurnSpans } from './spans.ts'
import { boundMessage, boundPrompt } from './token-bound.ts'
import type { TurnBounds } from './turn-state.ts'

export interface RunOptions extends TurnBounds {
  /** The longest prompt, in estimated tokens. */
  readonly promptTokens: number
  /** The longest answer, in UTF-8 bytes. */
  readonly tapeBytes: number
  /** What becomes of a dead producer's turn. */
  readonly takeOver: 'restart' | 'continue' | 'fail'
}

export interface RunPorts extends ReservationPorts, CallPorts {
  readonly log: TurnLog
  /** What holds now. */
  readonly policy: () => Policy
  /** A tenant's filters, compiled once for its policy. */
  readonly filtersFor: (privacy: TenantPrivacy) => TenantFilters
  readonly audience: Audience
  readonly logger: TurnLogger
  readonly prompts: Prompts
  /** Absent: nothing is switched off, and no experiment runs. */
  readonly flags?: Flags
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
  /** The same conversation's answer may be given again. Default false. */
  readonly mayCache?: boolean
  /** Where the turn's span hangs. */
  readonly parent?: Context
}

/** A turn that this node claimed, and what it is about. */
export interface Work {
  readonly claim: Claim
  readonly policy: Policy
  readonly flags: TurnFlags
  readonly spender: Spender
  readonly reservation: Reservation
  readonly system: string
  readonly prompt: ChosenPrompt
  /** What the prompt's version asks of the model beside its text. */
  readonly parameters?: RequestParameters
  readonly content: string
  readonly messageSeq: number
  readonly replaces?: string
  readonly model?: string
  readonly mayCache?: boolean
  readonly parent?: Context
}

export type Acceptance =
  | { readonly kind: 'mine'; readonly turn: string; readonly seq: number; readonly work: Work }
  | Exclude<Stored, { kind: 'mine' | 'unknown' }>

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
  const alias = aliasOf(policy, request.model)
  if (alias === undefined) return refused('invalid', 'this model is not offered here')
  const { choice, flags } = await choosePrompt(request, policy, ports)
  if (choice.kind === 'unknown') return refused('invalid', 'there is no prompt of that name')
  const applicant = { content: request.content, system: choice.system }
  const notAdmitted = isAdmitted ? undefined : admission.admit(applicant, load)
  const notAllowed = notAdmitted ?? refuseInput(boundMessage(request.content), policy.limits)
  if (notAllowed !== undefined) return { kind: 'refused', refusal: notAllowed }
  const { limitTokens } = promptLimits(policy, alias, request.owner.tenant, options)
  if (costOf(request.content) + costOf(choice.system) > limitTokens)
    return { kind: 'refused', refusal: tooLong(limitTokens) }
  const turn = ports.randomId()
  const reserved = await reserveFor(turn, request, choice.system, alias, policy, options, ports)
  if (reserved.kind === 'refused') return (await knownMessage(request, ports)) ?? reserved
  const { reservation, spender } = reserved
  const stored = await storeMessage(request, turn, options.leaseMs, ports)
  if (stored.kind !== 'mine') {
    // Where its fate is unknown too: whoever takes the turn over reserves for itself.
    reservation.giveBack()
    return stored.kind === 'unknown' ? { kind: 'refused', refusal: stored.refusal } : stored
  }
  const { claim, seq } = stored
  const { content, replaces, model, mayCache, parent } = request
  const named = { ...(replaces && { replaces }), ...(model && { model }) }
  const optional = { ...named, ...(mayCache && { mayCache }), ...(parent && { parent }) }
  const { system, chosen: prompt, parameters } = choice
  const asked = { system, prompt, ...(parameters && { parameters }), content, messageSeq: seq, ...optional }
  return { kind: 'mine', turn, seq, work: { claim, policy, flags, spender, reservation, ...asked } }
}

/**
 * Older history is left out rather than a conversation ended because a minute's tokens do not take all of it. The prompt fits
 * the alias' largest context: what a smaller target takes of it is decided when that is called (docs/decisions/0045).
 */
function promptLimits(policy: Policy, alias: ModelAlias, tenant: string, { promptTokens }: RunOptions) {
  const rooms = alias.targets.map(({ target: name }) => {
    const target = policy.targets.get(name)
    if (target?.contextTokens === undefined) return promptTokens
    return promptRoom(target.contextTokens, answerTokensOf(target, policy.limits.answerTokens))
  })
  const boundTokens = promptTokensAllowed(policy.limits, tenant, longestAnswer(policy, alias))
  return { limitTokens: Math.min(promptTokens, Math.max(...rooms)), boundTokens }
}

/** A message that is in already is answered so, whatever its subject may send by now; only the latest are looked at. */
async function knownMessage(
  { session, messageId, content }: SendRequest,
  { log }: RunPorts,
): Promise<Acceptance | undefined> {
  const page = await log.page({ session, limit: historyPageRecords }).catch(() => undefined)
  if (page?.kind !== 'ok') return undefined
  for (const { record } of page.entries) {
    if (record.type !== 'message.added' || record.message.messageId !== messageId) continue
    if (record.message.content === content) return { kind: 'repeat', turn: record.turn, seq: record.seq }
  }
  return undefined
}

/** Reserves what the turn may use at most; the history is looked at only where that counts. */
async function reserveFor(
  turn: string,
  { session, owner, attributes, content, replaces }: SendRequest,
  system: string,
  alias: ModelAlias,
  policy: Policy,
  options: RunOptions,
  ports: RunPorts,
) {
  const { project } = attributes
  const spender = project === undefined ? owner : { ...owner, project }
  let promptTokens = 0
  if (countsSize(limitsFor(policy.limits, owner.tenant))) {
    const request = { session, system, content, ...promptLimits(policy, alias, owner.tenant, options) }
    const prompt = await buildPrompt(ports.log, replaces === undefined ? request : { ...request, replaces }).catch(
      () => ({ kind: 'refused', refusal: historyUnavailable() }) as const,
    )
    if (prompt.kind === 'refused') return prompt
    promptTokens = boundPrompt(prompt.messages)
  }
  const amounts = estimateTurn(policy.targets, alias, { prompt: promptTokens, answer: policy.limits.answerTokens })
  const reserved = await reserve({ id: turn, session, spender, policy, amounts, leaseMs: options.leaseMs }, ports)
  return reserved.kind === 'refused' ? reserved : { ...reserved, spender }
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
  const { start } = work.claim
  const bill = new Bill(start.from === 'accepted' || start.foreignAttempt === 0)
  // Append and end are the producer's: text that comes in leaves it acknowledged by the store.
  const producer = startProducer(work.claim, { ...options, model, prompt: work.prompt }, ports, () => bill.total())
  onStart(producer)
  work.reservation.hold()
  try {
    await ask(producer, work, bill, options, ports, spans)
  } catch (error) {
    producer.broke(error)
  }
  const stopped = await producer.stopped
  settle(stopped, bill, ports.clock.monotonicMs() - startedMs, work, ports, spans)
  return stopped
}

/** prompt → redact → route → call. What comes back is filtered on its way to the producer, which appends it. */
async function ask(
  producer: Producer,
  work: Work,
  bill: Bill,
  options: RunOptions,
  ports: RunPorts,
  spans: TurnSpans,
): Promise<void> {
  const prompt = await promptFor(work, options, ports, () => producer.isOpen)
  if (prompt.kind === 'refused') return producer.fail(prompt.refusal)
  const filters = ports.filtersFor(privacyFor(work.policy.privacy, work.spender.tenant))
  const asked = await redactPrompt(prompt, work, filters, ports.telemetry)
  if (asked.kind === 'refused') return producer.fail(asked.refusal)
  const forbidden = await forbiddenQuestion(asked, filters, producer)
  if (forbidden !== undefined) return producer.fail(forbidden)
  const route = routeFor(work, ports.targets)
  if (route === undefined) return producer.fail(notOfferedAnyMore())
  if (producer.isOpen) callTargets(asked, { producer, work, prompt, filters, route, bill, spans }, ports)
}

/** A store that is away for a moment does not cost an accepted message its answer: it is read again for a bounded time. */
async function promptFor(
  work: Work,
  options: RunOptions,
  { log, clock }: RunPorts,
  isOpen: () => boolean,
): Promise<Prompt> {
  const { claim, system, content, messageSeq, replaces, policy, spender, model } = work
  const alias = aliasOf(policy, model)
  if (alias === undefined) return { kind: 'refused', refusal: notOfferedAnyMore() }
  const limits = promptLimits(policy, alias, spender.tenant, options)
  const request = { session: claim.session, system, content, beforeSeq: messageSeq, ...limits }
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

/** What a turn used is told, and charged to its subject's budget, here. */
function settle(
  stopped: Stopped,
  bill: Bill,
  durationMs: number,
  { claim: { session, turn }, reservation, prompt, policy, model: named }: Work,
  { telemetry, logger }: RunPorts,
  spans: TurnSpans,
): void {
  spans.stopped(stopped)
  const { reason, outcome, usage, cost } = stopped
  if (outcome === undefined) {
    // Nobody ends it here: its session is gone, a bug broke it off, or it goes on elsewhere. What it used is paid for.
    if (reason === 'gone') reservation.settleGone(bill.amounts())
    else reservation.settle(bill.amounts())
    return logger.warn({ session, turn, reason }, 'turn left')
  }
  reservation.settle(bill.amounts())
  const error = outcome.error?.kind
  const { kind, finishReason } = outcome
  const model = modelLabel(policy, named)
  const end = { kind, model, prompt, finishReason, durationMs, usage, ...(cost && { cost }), ...(error && { error }) }
  telemetry.turnEnded(end)
  const target = bill.answeredBy
  logger.info({ session, turn, ...end, ...(target !== undefined && { target }) }, 'turn ended')
}

/** The system prompt and the flags of one turn; both are taken once. */
export async function choosePrompt(
  { session, owner, attributes, model }: Pick<SendRequest, 'session' | 'owner' | 'attributes' | 'model'>,
  policy: Policy,
  { prompts, flags: switches = noFlags, clock }: RunPorts,
): Promise<{ readonly choice: PromptChoice; readonly flags: TurnFlags }> {
  const { prompt: named, ...where } = attributes
  const who = { session, ...owner, ...where }
  const flags = await switches.of(who)
  const asked = { ...who, model: model ?? policy.defaultModel, nowMs: clock.nowMs() }
  return { choice: prompts.choose(named === undefined ? asked : { ...asked, named }, flags), flags }
}

function notOfferedAnyMore(): Refusal {
  return refusal('invalid', 'this model is not offered here any more')
}

function refused(kind: Refusal['kind'], message: string): Acceptance {
  return { kind: 'refused', refusal: refusal(kind, message) }
}
