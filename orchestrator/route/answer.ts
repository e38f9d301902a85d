/**
 * How one answer is got from targets that fail: the one retry loop, as a reducer.
 *
 * Before the first content everything is tried that may help, and a reader sees none of it: another key, the same target
 * again after a wait, the next target. A target that is passed over (ill, full, its keys cooling down) costs no time. After
 * the first content a break is mended by the policy, or fails the turn. A target that thinks is at work: it is waited for, and
 * the time of its thinking counts for nothing but its own bound. Whatever happens ends: tries begin before a
 * deadline, breaks are counted, and content that stays away is a failure, whatever else a provider sends meanwhile.
 *
 * It knows no clock and no chance: both are in the events.
 */
import { type Refusal, refusal } from '../../protocol/error.ts'
import { roundsMax } from '../limits.ts'
import type { RetryPolicy } from '../policy.ts'
import type {
  AnswerEffect,
  AnswerEvent,
  Answering,
  AnswerPlan,
  AnswerState,
  AnswerStep,
  Call,
  Mending,
  Passed,
  Search,
  Searching,
  Signs,
  Why,
} from './answer-state.ts'

type Failed = Extract<AnswerEvent, { type: 'failed' }>

export function startAnswer({ order, retry }: AnswerPlan, nowMs: number): AnswerStep {
  const search = newSearch(order, retry, nowMs, true)
  return callNow({ ...idle, search, breaks: 0, lastId: 0 }, search, 'first', nowMs, retry, [])
}

export function stepAnswer(state: AnswerState, event: AnswerEvent, plan: AnswerPlan): AnswerStep {
  switch (state.phase) {
    case 'done':
      return { state, effects: [] }
    case 'searching':
      return searching(state, event, plan)
    case 'answering':
      return answering(state, event, plan)
    case 'mending':
      return event.type === 'mended' ? searchOn(state, undefined, event.nowMs, plan, []) : { state, effects: [] }
    default:
      return assertNever(state)
  }
}

/** When the answer wants a `ticked`, at the latest. */
export function answerWakeAtMs(state: AnswerState, { lifeMs, contentMs }: Signs, { retry }: AnswerPlan): number {
  switch (state.phase) {
    case 'done':
    case 'mending':
      return never
    case 'answering':
      return Math.min(lifeMs + retry.silenceMs, contentMs + retry.thinkingMs)
    case 'searching': {
      const timers = state.calls.map((call) => dueAtMs(call, state))
      return Math.min(state.waitUntilMs, state.hedgeAtMs, deadlineMs(state), ...timers)
    }
    default:
      return assertNever(state)
  }
}

function searching(state: Searching, event: AnswerEvent, plan: AnswerPlan): AnswerStep {
  if (event.type === 'ticked') return searchTicked(state, event, plan)
  const call = 'id' in event ? state.calls.find(({ id }) => id === event.id) : undefined
  if (call === undefined) return { state, effects: [] }
  switch (event.type) {
    case 'sent':
      return { state: withCall(state, sent(call, event.nowMs, plan.retry)), effects: [] }
    case 'connected':
      return { state: withCall(state, { ...call, connectUntilMs: never }), effects: [] }
    case 'alive':
      return { state: alive(state, call, event.nowMs, plan.retry), effects: [] }
    case 'content':
      return adopt(state, call)
    case 'ended': {
      if (event.empty !== undefined && isRefused(state, plan.retry)) return emptyAnswer(state, call, event, plan)
      const { state: adopted, effects } = adopt(state, call)
      return { state: { ...adopted, phase: 'done' }, effects: [...effects, { type: 'finish', id: call.id }] }
    }
    case 'passed':
      return passed(without(state, call, event.nowMs), event, plan)
    case 'failed':
      return failedBefore(without(state, call, event.nowMs), call, event, plan)
    case 'mended':
      return { state, effects: [] }
    default:
      return assertNever(event)
  }
}

function answering(state: Answering, event: AnswerEvent, plan: AnswerPlan): AnswerStep {
  const { call } = state
  if (event.type === 'ticked') {
    const { silenceMs, thinkingMs } = plan.retry
    const isSilent = event.nowMs >= event.lifeMs + silenceMs
    if (!isSilent && event.nowMs < event.contentMs + thinkingMs) return { state, effects: [] }
    const message = isSilent
      ? `the model was silent for ${silenceMs} ms in the middle of its answer`
      : thoughtTooLong(thinkingMs)
    const effects = [{ type: 'close', id: call.id, why: isSilent ? 'silent' : 'thinking' }] as const
    return broke(state, refusal('provider', message), event.nowMs, plan, effects)
  }
  if (!('id' in event) || event.id !== call.id) return { state, effects: [] }
  if (event.type === 'ended') return { state: { phase: 'done' }, effects: [{ type: 'finish', id: call.id }] }
  if (event.type !== 'failed') return { state, effects: [] }
  const { failure } = event
  return failure.cure === 'none' ? fail(failure.refusal, []) : broke(state, failure.refusal, event.nowMs, plan, [])
}

/** An empty answer never takes the place of text that was shown; a first one stands unless the policy says otherwise. */
function isRefused({ replaces, search }: Searching, { emptyAnswer }: RetryPolicy): boolean {
  return replaces !== undefined || (search.isFirst && emptyAnswer === 'retry')
}

/** The next target is asked. It says nothing against the health of this one. */
function emptyAnswer(
  state: Searching,
  call: Call,
  { nowMs, chance, empty }: Extract<AnswerEvent, { type: 'ended' }>,
  plan: AnswerPlan,
): AnswerStep {
  const rest = without(state, call, nowMs)
  const next = { ...rest, search: { ...rest.search, lastFailure: empty } }
  return next.calls.length > 0 ? { state: next, effects: [] } : nextTarget(next, nowMs, chance, plan, [])
}

function sent(call: Call, nowMs: number, retry: RetryPolicy): Call {
  return { ...call, connectUntilMs: nowMs + retry.connectMs, contentUntilMs: nowMs + retry.firstContentMs }
}

/** It is waited for as long as it goes on, and nothing is tried beside it. */
function alive(state: Searching, call: Call, nowMs: number, { silenceMs, thinkingMs }: RetryPolicy): Searching {
  const thinkingSinceMs = call.thinkingSinceMs ?? nowMs
  const contentUntilMs = Math.min(nowMs + silenceMs, thinkingSinceMs + thinkingMs)
  return withCall({ ...state, hedgeAtMs: never }, { ...call, connectUntilMs: never, contentUntilMs, thinkingSinceMs })
}

function deadlineMs({ search, calls }: Searching): number {
  return calls.some(({ thinkingSinceMs }) => thinkingSinceMs !== undefined) ? never : search.deadlineMs
}

/** Who is the last hope is not given up for being slow: what would answer instead? Thinking has a bound of its own. */
function dueAtMs({ connectUntilMs, contentUntilMs, thinkingSinceMs }: Call, { search, calls }: Searching): number {
  if (thinkingSinceMs !== undefined) return contentUntilMs
  const isLast = search.left.length === 0 && calls.length === 1
  return isLast ? connectUntilMs : Math.min(connectUntilMs, contentUntilMs)
}

/** The first content decides; what else is under way is closed. */
function adopt(state: Searching, call: Call): { readonly state: Answering; readonly effects: readonly AnswerEffect[] } {
  const losers = state.calls.filter(({ id }) => id !== call.id)
  const { lastId, breaks, replaces } = state
  const effects: AnswerEffect[] = losers.map(({ id }) => ({ type: 'close', id, why: 'lost' }))
  effects.push({ type: 'adopt', id: call.id })
  if (replaces !== undefined) effects.push({ type: 'broke', how: 'restart', refusal: replaces })
  return { state: { phase: 'answering', call, lastId, breaks }, effects }
}

function broke(
  { call: { target }, lastId, breaks }: Answering,
  error: Refusal,
  nowMs: number,
  plan: AnswerPlan,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const { afterContent, breaks: breaksMax } = plan.retry
  if (afterContent === 'fail' || breaks >= breaksMax) return fail(error, effects)
  const broken = { phase: 'mending', target, refusal: error, lastId, breaks: breaks + 1 } as const
  if (afterContent === 'continue')
    return { state: broken, effects: [...effects, { type: 'broke', how: 'continue', refusal: error }] }
  return searchOn(broken, error, nowMs, plan, effects)
}

/** The answer goes on elsewhere: the target that broke comes last. */
function searchOn(
  { target, refusal: error, lastId, breaks }: Mending,
  replaces: Refusal | undefined,
  nowMs: number,
  plan: AnswerPlan,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const order = [...plan.order.filter((other) => other !== target), target]
  const search = { ...newSearch(order, plan.retry, nowMs, false), lastFailure: error }
  return callNow({ ...idle, replaces, search, lastId, breaks }, search, 'fallback', nowMs, plan.retry, effects)
}

function searchTicked(
  state: Searching,
  { nowMs, chance }: { readonly nowMs: number; readonly chance: number },
  plan: AnswerPlan,
): AnswerStep {
  const { retry } = plan
  const { search, calls } = state
  if (nowMs >= deadlineMs(state)) {
    const late = search.lastFailure ?? refusal('provider', `no model began to answer within ${retry.totalMs} ms`)
    return giveUp({ ...search, lastFailure: late }, plan, closed(calls, nowMs))
  }
  const late = calls.find((call) => nowMs >= dueAtMs(call, state))
  if (late !== undefined) return tooLate(state, late, nowMs, chance, plan)
  if (calls.length === 0 && nowMs >= state.waitUntilMs) return callNow(state, search, 'retry', nowMs, retry, [])
  const [next, ...left] = search.left
  if (nowMs < state.hedgeAtMs) return { state, effects: [] }
  const hedged = { ...state, hedgeAtMs: never }
  if (next === undefined) return { state: hedged, effects: [] }
  return callNow(hedged, { ...search, target: next, left, tries: 0 }, 'hedge', nowMs, retry, [])
}

/** Another target is not made to wait for a slow one; without a connection the same one may do better. */
function tooLate(state: Searching, late: Call, nowMs: number, chance: number, plan: AnswerPlan): AnswerStep {
  if (late.thinkingSinceMs !== undefined) return stoppedThinking(state, late, nowMs, chance, plan)
  const isUnconnected = nowMs >= late.connectUntilMs
  const message = isUnconnected
    ? `the model could not be reached within ${plan.retry.connectMs} ms`
    : `the model did not begin to answer within ${plan.retry.firstContentMs} ms`
  const error = refusal('provider', message)
  const search = { ...state.search, lastFailure: error }
  const rest = without({ ...state, search }, late, nowMs)
  const effects = [{ type: 'close', id: late.id, why: 'late' }] as const
  if (rest.calls.length > 0) return { state: rest, effects }
  if (!isUnconnected) return nextTarget(rest, nowMs, chance, plan, effects)
  return again(rest, { nowMs, chance, floorMs: 0 }, plan, effects)
}

/** Who thinks for too long is well; who begins to and says nothing more is not. */
function stoppedThinking(state: Searching, call: Call, nowMs: number, chance: number, plan: AnswerPlan): AnswerStep {
  const { silenceMs, thinkingMs } = plan.retry
  const isSilent = nowMs < (call.thinkingSinceMs ?? nowMs) + thinkingMs
  const message = isSilent ? `the model was silent for ${silenceMs} ms while it thought` : thoughtTooLong(thinkingMs)
  const rest = without(state, call, nowMs)
  const next = { ...rest, search: { ...rest.search, lastFailure: refusal('provider', message) } }
  const effects = [{ type: 'close', id: call.id, why: isSilent ? 'silent' : 'thinking' }] as const
  return next.calls.length > 0 ? { state: next, effects } : nextTarget(next, nowMs, chance, plan, effects)
}

function thoughtTooLong(thinkingMs: number): string {
  return `the model thought for ${thinkingMs} ms without an answer`
}

function passed(state: Searching, event: Extract<AnswerEvent, { type: 'passed' }>, plan: AnswerPlan): AnswerStep {
  const { nowMs, why, forMs, chance } = event
  const lastFailure = state.search.lastFailure ?? passedRefusals[why](forMs)
  const againAtMs = Math.min(state.search.againAtMs, nowMs + worthAfterMs(why, forMs, plan.retry))
  const next = { ...state, search: { ...state.search, lastFailure, againAtMs } }
  return next.calls.length > 0 ? { state: next, effects: [] } : nextTarget(next, nowMs, chance, plan, [])
}

/**
 * After how long it is worth another look. A place may come free at any time, which nobody tells. Who is ill is left alone: an
 * outage must not cost every turn its whole deadline.
 */
function worthAfterMs(why: Passed, forMs: number, { baseMs }: RetryPolicy): number {
  if (why === 'ill' || why === 'refused') return never
  return why === 'full' ? baseMs : forMs
}

const passedRefusals = {
  full: () => refusal('busy', 'all places at the model are taken; send again'),
  ill: (forMs: number) =>
    refusal('unavailable', 'the model has failed too often lately and is left alone', whole(forMs)),
  cooling: (forMs: number) =>
    refusal('rate-limited', "the model's provider takes no more requests for now", whole(forMs)),
  refused: () => ({
    ...refusal('provider', "the model's provider refused the gateway's keys or its account a moment ago"),
    retryable: false,
  }),
} as const

/** As the wire has it; nobody is told to wait for ever. */
function whole(ms: number): number | undefined {
  return Number.isFinite(ms) ? Math.ceil(ms) : undefined
}

function failedBefore(state: Searching, call: Call, event: Failed, plan: AnswerPlan): AnswerStep {
  const { nowMs, failure, chance } = event
  if (failure.cure === 'none') return fail(failure.refusal, closed(state.calls, nowMs))
  const search = { ...state.search, lastFailure: failure.refusal }
  const next = { ...state, search }
  // Beside a call that is under way nothing is hurried.
  if (state.calls.length > 0) return { state: coolingToo(next, event), effects: [] }
  switch (failure.cure) {
    case 'wait':
      return again(next, { nowMs, chance, floorMs: failure.retryAfterMs ?? 0 }, plan, [])
    case 'other-key':
    case 'other-account':
      if (event.hasKey) return callNow(next, { ...search, target: call.target }, 'key', nowMs, plan.retry, [])
      return nextTarget(coolingToo(next, event), nowMs, chance, plan, [])
    case 'other-target':
      return nextTarget(next, nowMs, chance, plan, [])
    default:
      return assertNever(failure.cure)
  }
}

/** The target is worth another look when its keys have cooled down; those that were refused do not (Infinity). */
function coolingToo(state: Searching, { failure, nowMs, coolForMs }: Failed): Searching {
  if (failure.cure !== 'other-key' && failure.cure !== 'other-account') return state
  const againAtMs = Math.min(state.search.againAtMs, nowMs + coolForMs)
  return { ...state, search: { ...state.search, againAtMs } }
}

/** The same target after a wait, or the next one when it had its tries. */
function again(
  state: Searching,
  { nowMs, chance, floorMs }: { readonly nowMs: number; readonly chance: number; readonly floorMs: number },
  plan: AnswerPlan,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const tries = state.search.tries + 1
  const next = { ...state, search: { ...state.search, tries } }
  if (tries >= plan.retry.triesPerTarget) return nextTarget(next, nowMs, chance, plan, effects)
  return waitFor(next, nowMs + floorMs, nowMs, chance, plan, effects)
}

function nextTarget(
  state: Searching,
  nowMs: number,
  chance: number,
  plan: AnswerPlan,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const { search } = state
  const [next, ...left] = search.left
  if (next !== undefined)
    return callNow(state, { ...search, target: next, left, tries: 0 }, 'fallback', nowMs, plan.retry, effects)
  if (search.againAtMs === never || search.waits >= roundsMax) return giveUp(search, plan, effects)
  // All were tried; those that were passed over or asked for a pause are looked at once more, and so the others.
  const [first = search.target, ...others] = plan.order
  const round = { ...search, target: first, left: others, tries: 0, againAtMs: never }
  return waitFor({ ...state, search: round }, search.againAtMs, nowMs, chance, plan, effects)
}

/**
 * Full jitter, on top of what was asked for: who was refused together does not come back together. A long pause is spread
 * wide, since many are likely to have been asked for it.
 */
function waitFor(
  state: Searching,
  floorMs: number,
  nowMs: number,
  chance: number,
  plan: AnswerPlan,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const { search } = state
  const { baseMs, maxMs } = plan.retry
  const spreadMs = Math.max(baseMs * 2 ** search.waits, (floorMs - nowMs) / 2)
  const waitUntilMs = Math.max(floorMs, nowMs) + chance * Math.min(maxMs, spreadMs)
  if (waitUntilMs >= search.deadlineMs) return giveUp(search, plan, effects)
  const waiting = { ...state, search: { ...search, waits: search.waits + 1 }, waitUntilMs, hedgeAtMs: never }
  return { state: waiting, effects }
}

function callNow(
  state: Searching,
  search: Search,
  why: Why,
  nowMs: number,
  retry: RetryPolicy,
  effects: readonly AnswerEffect[],
): AnswerStep {
  const id = state.lastId + 1
  // While it waits for its place the time runs too: another target may have one.
  const contentUntilMs = nowMs + retry.firstContentMs
  const call = { id, target: search.target, connectUntilMs: never, contentUntilMs }
  const hedgeAtMs = retry.hedgeMs > 0 && why !== 'hedge' ? nowMs + retry.hedgeMs : never
  return {
    state: { ...state, search, calls: [...state.calls, call], waitUntilMs: never, hedgeAtMs, lastId: id },
    effects: [...effects, { type: 'call', id, target: search.target, why }],
  }
}

function giveUp(search: Search, { hasOffline }: AnswerPlan, effects: readonly AnswerEffect[]): AnswerStep {
  if (hasOffline && search.isFirst && search.lastFailure !== undefined && !requestFaults.has(search.lastFailure.kind))
    return { state: { phase: 'done' }, effects: [...effects, { type: 'offline' }] }
  return fail(search.lastFailure ?? refusal('unavailable', 'no model can answer for now; send again'), effects)
}

/** The user has to change what was asked: a text that says that no model can answer would be untrue. */
const requestFaults: ReadonlySet<Refusal['kind']> = new Set(['invalid', 'too-large', 'filtered'])

function fail(error: Refusal, effects: readonly AnswerEffect[]): AnswerStep {
  return { state: { phase: 'done' }, effects: [...effects, { type: 'fail', refusal: error }] }
}

/** Only who had its time is to blame. */
function closed(calls: readonly Call[], nowMs: number): readonly AnswerEffect[] {
  return calls.map(
    ({ id, contentUntilMs }) => ({ type: 'close', id, why: nowMs < contentUntilMs ? 'lost' : 'late' }) as const,
  )
}

function newSearch(
  [target = '', ...left]: readonly string[],
  retry: RetryPolicy,
  nowMs: number,
  isFirst: boolean,
): Search {
  return {
    isFirst,
    deadlineMs: nowMs + retry.totalMs,
    target,
    left,
    tries: 0,
    waits: 0,
    againAtMs: never,
    lastFailure: undefined,
  }
}

function withCall(state: Searching, call: Call): Searching {
  return { ...state, calls: state.calls.map((each) => (each.id === call.id ? call : each)) }
}

/** The time in which it thought is added to the deadline. */
function without(state: Searching, call: Call, nowMs: number): Searching {
  const thoughtMs = call.thinkingSinceMs === undefined ? 0 : nowMs - call.thinkingSinceMs
  const search = { ...state.search, deadlineMs: state.search.deadlineMs + thoughtMs }
  return { ...state, search, calls: state.calls.filter(({ id }) => id !== call.id) }
}

const never = Number.POSITIVE_INFINITY
const idle = { phase: 'searching', calls: [], waitUntilMs: never, hedgeAtMs: never, replaces: undefined } as const

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
