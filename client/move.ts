import { type Refusal, refusal } from '../protocol/error.ts'
import type { Up } from '../protocol/up.ts'
import type { Effect } from './event.ts'
import type { ClientState, Link, Online, Purpose, Session, Stats, Unnumbered } from './state.ts'

/**
 * One step under way: the state so far and what it has caused. It lives as long as one call of `step`, which is pure
 * from outside; inside, the parts of a step change `state` in turn instead of handing pairs around.
 */
export interface Move {
  state: ClientState
  readonly effects: Effect[]
  readonly nowMs: number
  readonly roll: number
}

export function change(move: Move, patch: Partial<ClientState>): void {
  move.state = { ...move.state, ...patch }
}

export function setLink(move: Move, link: Link): void {
  change(move, { link })
}

export function putSession(move: Move, session: Session): void {
  const sessions = new Map(move.state.sessions)
  sessions.set(session.local, session)
  change(move, { sessions })
}

export function tally(move: Move, name: keyof Stats): void {
  change(move, { stats: { ...move.state.stats, [name]: move.state.stats[name] + 1 } })
}

export function takeNumber(move: Move): number {
  const number = move.state.nextNumber
  change(move, { nextNumber: number + 1 })
  return number
}

/** Full jitter: random over the whole interval, so that many clients spread instead of coming in waves. */
export function backoffMs(move: Move, attempt: number): number {
  const { backoffBaseMs, backoffCapMs } = move.state.bounds
  return Math.floor(move.roll * Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(attempt, 30)))
}

/** Sends a request on the live socket and remembers what for. */
export function request(move: Move, online: Online, body: Unnumbered, purpose: Purpose): string {
  const ref = `r${takeNumber(move)}`
  const inFlight = new Map(move.state.inFlight)
  inFlight.set(ref, purpose)
  change(move, { inFlight })
  // `Unnumbered` is each request without its id; the union does not survive the spread.
  const frame = { ...body, id: ref } as Up
  move.effects.push({ type: 'transmit', socket: online.socket, frame })
  return ref
}

/** Whether this second has room for another frame; counts it if so. */
export function takePace(move: Move): Online | undefined {
  const { link, bounds, limits } = move.state
  if (link.kind !== 'online') return undefined
  const perSecond = Math.max(1, Math.floor((limits?.framesPerSecond ?? bounds.framesPerSecond) * bounds.frameShare))
  const pace = move.nowMs - link.pace.startMs >= 1_000 ? { startMs: move.nowMs, sent: 0 } : link.pace
  if (pace.sent >= perSecond) return undefined
  const online: Online = { ...link, pace: { ...pace, sent: pace.sent + 1 } }
  setLink(move, online)
  return online
}

/** How long to wait before a refused request is sent again; `undefined`: it is final. */
export function retryWaitMs(move: Move, error: Refusal, tries: number): number | undefined {
  const { minRetryWaitMs, maxRetryWaitMs } = move.state.bounds
  if (!error.retryable) return undefined
  const waitMs = Math.max(minRetryWaitMs, error.retryAfterMs ?? backoffMs(move, tries + 1))
  return waitMs > maxRetryWaitMs ? undefined : waitMs
}

/** A refusal made here, in the words of the wire. */
export function localRefusal(kind: Refusal['kind'], message: string): Refusal {
  return { ...refusal(kind, message), retryable: false }
}

/** The refusal that an `error` frame or a failed turn carries, and nothing else of it. */
export function refusalOf({ kind, message, retryable, retryAfterMs }: Loose): Refusal {
  return retryAfterMs === undefined ? { kind, message, retryable } : { kind, message, retryable, retryAfterMs }
}

/** As the schemas infer it, where an absent value may also be `undefined`. */
type Loose = Omit<Refusal, 'retryAfterMs'> & { readonly retryAfterMs?: number | undefined }
