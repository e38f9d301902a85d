import type { Refusal } from '../protocol/error.ts'
import { frameShare, framesPerSecond, minRetryWaitMs } from './bounds.ts'
import type { Effect } from './event.ts'
import type { ClientState, Link, Online, Outbound, Purpose, Session, Stats, Unnumbered } from './state.ts'

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
  change(move, { sessions: withEntry(move.state.sessions, session.local, session) })
}

export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  return new Map(map).set(key, value)
}

export function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const copy = new Map(map)
  copy.delete(key)
  return copy
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
export function backoffMs(move: Move, tries: number): number {
  const { backoffBaseMs, backoffCapMs } = move.state.bounds
  return Math.floor(move.roll * Math.min(backoffCapMs, backoffBaseMs * 2 ** Math.min(tries, 30)))
}

/** Sends a request on the live socket and remembers what for. */
export function request(move: Move, online: Online, body: Unnumbered, purpose: Purpose): string {
  const ref = `r${takeNumber(move)}`
  change(move, { inFlight: withEntry(move.state.inFlight, ref, purpose) })
  // The id first: a gateway that refuses a large frame unparsed reads no further. `Unnumbered` is each request without its
  // id; the union does not survive the spread.
  const frame = { id: ref, ...body } as Outbound
  move.effects.push({ type: 'transmit', socket: online.socket, frame })
  return ref
}

/** Whether this second has room for another frame; counts it if so. */
export function takePace(move: Move): Online | undefined {
  const { link, limits } = move.state
  if (link.kind !== 'online') return undefined
  const perSecond = Math.max(1, Math.floor((limits?.framesPerSecond ?? framesPerSecond) * frameShare))
  const pace = move.nowMs - link.pace.startMs >= 1_000 ? { startMs: move.nowMs, sent: 0 } : link.pace
  if (pace.sent >= perSecond) return undefined
  const online: Online = { ...link, pace: { ...pace, sent: pace.sent + 1 } }
  setLink(move, online)
  return online
}

/** How long to wait before a refused request is sent again. */
export function retryWaitMs(move: Move, error: Refusal, tries: number): number {
  return Math.max(minRetryWaitMs, error.retryAfterMs ?? backoffMs(move, tries + 1))
}

/** Tells who follows an answer that its text is now `text`. */
export function tellCut(
  move: Move,
  local: string,
  messageId: string | undefined,
  text: string,
  isRepeat: boolean,
): void {
  if (messageId !== undefined) move.effects.push({ type: 'cut', local, messageId, text, isRepeat })
}

/** Tells who follows an answer that `text` was added. */
export function tellText(move: Move, local: string, messageId: string | undefined, text: string): void {
  if (messageId !== undefined && text !== '') move.effects.push({ type: 'text', local, messageId, text })
}

/** A refusal made here, in the words of the wire. */
export function localRefusal(kind: Refusal['kind'], message: string): Refusal {
  return { kind, message, retryable: false }
}

/** The refusal that an `error` frame or a failed turn carries, and nothing else of it. */
export function refusalOf({ kind, message, retryable, retryAfterMs }: Loose): Refusal {
  return retryAfterMs === undefined ? { kind, message, retryable } : { kind, message, retryable, retryAfterMs }
}

/** As the schemas infer it, where an absent value may also be `undefined`. */
type Loose = Omit<Refusal, 'retryAfterMs'> & { readonly retryAfterMs?: number | undefined }
