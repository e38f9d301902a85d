import { afterClose } from '../protocol/close-code.ts'
import type { Down } from '../protocol/down.ts'
import type { Refusal } from '../protocol/error.ts'
import type { RecordOf } from '../protocol/record.ts'
import { callMs, maxCalls } from './bounds.ts'
import {
  change,
  localRefusal,
  type Move,
  refusalOf,
  request,
  retryWaitMs,
  takeNumber,
  takePace,
  withEntry,
  without,
} from './move.ts'
import type { Call, Session, Unnumbered } from './state.ts'

/**
 * Requests of the application that are no messages: lists, updates, cancels, pages. Each may be repeated without harm,
 * so a reconnect sends it again; its deadline bounds the whole.
 */

export function addCall(move: Move, call: number, local: string | undefined, body: Unnumbered): void {
  const { calls, link } = move.state
  const refuse = (error: Refusal) =>
    void move.effects.push({ type: 'called', call, outcome: { kind: 'refused', error } })
  if (calls.size >= maxCalls) return refuse(localRefusal('busy', `${maxCalls} calls wait already`))
  if (link.kind === 'stopped') return refuse(stopped(move))
  const deadlineMs = move.nowMs + callMs
  putCall(move, { call, local, request: body, isSent: false, notBeforeMs: 0, deadlineMs })
}

/** A call that nobody waits for. `session: ''` stands for the session's own id. */
export function addSilentCall(move: Move, local: string, body: Unnumbered): void {
  addCall(move, -takeNumber(move), local, body)
}

export function sendCalls(move: Move): void {
  for (const call of move.state.calls.values()) {
    if (call.isSent || move.nowMs < call.notBeforeMs) continue
    const body = addressed(move, call)
    if (body === undefined) continue
    const online = takePace(move)
    if (online === undefined) return
    request(move, online, body, { kind: 'call', call: call.call })
    putCall(move, { ...call, isSent: true })
  }
}

/** A call on a session that is only being made waits until it has an id. */
function addressed(move: Move, { local, request: body }: Call): Unnumbered | undefined {
  if (!('session' in body) || body.session !== '') return body
  const session = local === undefined ? undefined : move.state.sessions.get(local)?.id
  return session === undefined ? undefined : { ...body, session }
}

export function callAnswered(move: Move, number: number, frame: Down): void {
  const call = move.state.calls.get(number)
  if (call === undefined) return
  if (frame.type !== 'error') return settle(move, call, { kind: 'ok', frame })
  const error = refusalOf(frame)
  const notBeforeMs = move.nowMs + retryWaitMs(move, error, 1)
  if (error.retryable && notBeforeMs < call.deadlineMs) putCall(move, { ...call, isSent: false, notBeforeMs })
  else settle(move, call, { kind: 'refused', error })
}

/** `feedback.give` is answered by the record that it makes, which goes to every watcher and so has no `ref`. */
export function feedbackRecorded(move: Move, { local, id = '' }: Session, record: RecordOf<'feedback.added'>): void {
  for (const call of move.state.calls.values()) {
    const { request: asked } = call
    if (!call.isSent || call.local !== local || asked.type !== 'feedback.give') continue
    if (asked.turn !== record.turn || asked.rating !== record.rating) continue
    settle(move, call, { kind: 'ok', frame: { ...record, session: id } })
  }
}

export function detachCalls(move: Move): void {
  for (const call of move.state.calls.values()) if (call.isSent) putCall(move, { ...call, isSent: false })
}

export function expireCalls(move: Move): void {
  for (const call of move.state.calls.values()) {
    if (move.nowMs >= call.deadlineMs) settle(move, call, { kind: 'refused', error: tooLate })
  }
}

export function abandonCalls(move: Move): void {
  for (const call of move.state.calls.values()) settle(move, call, { kind: 'refused', error: stopped(move) })
}

/** When a call is to be sent again or given up. */
export function callsDueMs({ calls }: Move['state'], nowMs: number): number {
  let dueMs = Number.POSITIVE_INFINITY
  for (const call of calls.values()) {
    dueMs = Math.min(dueMs, call.deadlineMs)
    if (!call.isSent && call.notBeforeMs > nowMs) dueMs = Math.min(dueMs, call.notBeforeMs)
  }
  return dueMs
}

const tooLate: Refusal = localRefusal('unavailable', 'no answer in time')

/** What is refused because the connection is stopped, with why. */
export function stopped({ state: { link } }: Move): Refusal {
  const isRefused = link.kind === 'stopped' && afterClose(link.code) === 'refresh-token'
  const why = link.kind === 'stopped' ? `: ${link.reason}` : ''
  return localRefusal(isRefused ? 'unauthenticated' : 'unavailable', `the connection is stopped${why}`)
}

function settle(move: Move, call: Call, outcome: { kind: 'ok'; frame: Down } | { kind: 'refused'; error: Refusal }) {
  change(move, { calls: without(move.state.calls, call.call) })
  move.effects.push({ type: 'called', call: call.call, outcome })
}

function putCall(move: Move, call: Call): void {
  change(move, { calls: withEntry(move.state.calls, call.call, call) })
}
