import { createHash } from 'node:crypto'
import type { LogRecord } from '../../../protocol/record.ts'
import type {
  AcceptRequest,
  AppendRequest,
  EndRequest,
  Fence,
  LogEntry,
  LogListener,
  LogPlace,
  NewOpeningRecord,
  NewTerminalRecord,
  SessionLog,
  Subscription,
  TakeOverReply,
} from '../../../sessions/session-log.ts'
import type { ShareLimits } from '../../../sessions/shares.ts'

/** A fresh, empty store with a clock of its own. */
export interface LogUnderTest {
  readonly log: SessionLog
  /** Lets the store's clock pass by so many milliseconds; below 0, it steps back. */
  advance(ms: number): Promise<void> | void
  /** Resolves once all that was published so far was heard. Absent: it is heard within the operation. */
  settle?(): Promise<void>
}
export type MakeLog = (limits?: ShareLimits) => Promise<LogUnderTest>

export const owner = { tenant: 'acme', subject: 'ann' }
export const leaseMs = 1_000
export const tapeMaxBytes = 1024 * 1024
export const session = 'session-1'

export async function makeSession({ log }: LogUnderTest, id = session): Promise<void> {
  const reply = await log.create({ session: id, owner, attributes: {}, timeMs: 1 })
  if (reply.kind !== 'created') throw new Error(`unable to make a session: ${reply.kind}`)
}

export function asking(n: number, over: Partial<AcceptRequest> = {}): AcceptRequest {
  const turn = over.turn ?? `turn-${n}`
  const messageId = over.messageId ?? `message-${n}`
  return {
    session,
    messageId,
    hash: `hash-${n}`,
    turn,
    token: `token-${n}`,
    leaseMs,
    record: { type: 'message.added', timeMs: n, turn, message: { messageId, content: `question ${n}` } },
    ...over,
  }
}

export function started(turn: string, attempt: number): NewOpeningRecord {
  return { type: 'turn.started', timeMs: 10 + attempt, turn, attempt, model: 'm' }
}

export function restarted(turn: string, attempt: number, keep: { attempt: number; end: number }): NewOpeningRecord {
  return { type: 'turn.restarted', timeMs: 20 + attempt, turn, attempt, model: 'm', keep, reason: 'test' }
}

export function appending(fence: Fence, at: number, text: string, over: Partial<AppendRequest> = {}): AppendRequest {
  return { session, fence, part: 0, at, text: Buffer.from(text), leaseMs: 0, maxBytes: tapeMaxBytes, ...over }
}

export type TerminalType = NewTerminalRecord['type']

export function ending(
  { token, turn, attempt }: Fence,
  texts: readonly string[],
  type: TerminalType = 'turn.completed',
): EndRequest {
  const parts = texts.map((text) => ({ bytes: Buffer.byteLength(text), sha1: hex('sha1', text) }))
  const fields = {
    timeMs: 100,
    turn,
    attempt,
    finishReason: 'stop',
    usage: { inputTokens: 1, outputTokens: 1, source: 'exact' },
    bytes: parts[0]?.bytes ?? 0,
    sha256: hex('sha256', texts[0] ?? ''),
  } as const
  const error = { kind: 'provider', message: 'broke', retryable: true } as const
  const record: NewTerminalRecord = type === 'turn.failed' ? { type, ...fields, error } : { type, ...fields }
  return { session, token, turn, attempt, record, parts }
}

function hex(algorithm: string, text: string): string {
  return createHash(algorithm).update(text).digest('hex')
}

/** A turn with text in one go; the fence under which it was written. */
export async function answerTurn(log: SessionLog, n: number, text: string): Promise<Fence> {
  const fence = await startTurn(log, n, text)
  expectKind(await log.end(ending(fence, [text])), 'ok')
  return fence
}

/** A message accepted and an attempt opened with its first text. */
export async function startTurn(log: SessionLog, n: number, text: string): Promise<Fence> {
  expectKind(await log.accept(asking(n)), 'yours')
  const fence = { token: `token-${n}`, turn: `turn-${n}`, attempt: 1 }
  expectKind(await log.append(appending(fence, 0, text, { open: started(fence.turn, 1) })), 'ok')
  return fence
}

/** A take-over as a node does it: looks, waits, asks again with the deadline that it saw. */
export async function seizeTurn({ log, advance }: LogUnderTest, token: string): Promise<TakeOverReply> {
  await advance(leaseMs)
  const seen = await log.takeOver({ session, token, leaseMs })
  if (seen.kind !== 'lapsed') return seen
  return log.takeOver({ session, token, leaseMs, seen: seen.deadline })
}

export function expectKind<Reply extends { kind: string }, Kind extends Reply['kind']>(
  reply: Reply,
  kind: Kind,
): OfKind<Reply, Kind> {
  if (reply.kind !== kind) throw new Error(`expected ${kind}, got ${JSON.stringify(reply)}`)
  // Just compared.
  return reply as OfKind<Reply, Kind>
}

/** Those members of a union of replies that may be of this kind. */
type OfKind<Reply, Kind> = Reply extends { kind: infer Own } ? (Kind extends Own ? Reply : never) : never

/** The whole log, oldest first. */
export async function history(log: SessionLog, id = session): Promise<readonly LogEntry[]> {
  const { entries } = expectKind(await log.page({ session: id, limit: 10_000 }), 'ok')
  return entries
}

export async function types(log: SessionLog): Promise<readonly string[]> {
  return (await history(log)).map(({ record }) => record.type)
}

export async function tapeText(log: SessionLog, turn: string, part = 0): Promise<string> {
  const { text } = expectKind(await log.read({ session, turn, part, at: 0, maxBytes: tapeMaxBytes }), 'ok')
  return text.toString()
}

export function turnOf(record: LogRecord | undefined): string | undefined {
  return record === undefined || record.type === 'record.skipped' ? undefined : record.turn
}

export function placeOf({ record }: LogEntry): LogPlace {
  return { seq: record.seq, mark: record.mark }
}

export type Heard =
  | { readonly kind: 'confirmed' | 'lost' }
  | { readonly kind: 'record'; readonly previous: LogPlace; readonly entry: LogEntry }
  | { readonly kind: 'delta'; readonly fence: Fence; part: number; at: number; end: number; text: string | undefined }
  | { readonly kind: 'nudge'; readonly nudge: string }
  | { readonly kind: 'updated'; readonly metadata: object }
  | { readonly kind: 'erased'; readonly reason: string }

export interface Ear {
  readonly subscription: Subscription
  /** What was heard until now, in order. */
  all(): Promise<readonly Heard[]>
  /** The same by name: a record's type, a nudge's kind, or the callback's name. */
  kinds(): Promise<readonly string[]>
}

/** Listens to a session; answers once the store confirmed. */
export async function listen(made: LogUnderTest, id = session): Promise<Ear> {
  const heard: Heard[] = []
  const confirmed = Promise.withResolvers<void>()
  const listener: LogListener = {
    confirmed: () => {
      heard.push({ kind: 'confirmed' })
      confirmed.resolve()
    },
    lost: () => heard.push({ kind: 'lost' }),
    record: (previous, entry) => heard.push({ kind: 'record', previous, entry }),
    delta: (fence, part, at, end, text) =>
      heard.push({ kind: 'delta', fence, part, at, end, text: text && Buffer.from(text).toString() }),
    nudge: (nudge) => heard.push({ kind: 'nudge', nudge }),
    updated: (metadata) => heard.push({ kind: 'updated', metadata }),
    erased: (reason) => heard.push({ kind: 'erased', reason }),
  }
  const subscription = made.log.subscribe(id, listener)
  await confirmed.promise
  const all = async () => {
    await made.settle?.()
    return heard
  }
  return { subscription, all, kinds: async () => (await all()).map(nameOf) }
}

function nameOf(heard: Heard): string {
  if (heard.kind === 'record') return heard.entry.record.type
  return heard.kind === 'nudge' ? heard.nudge : heard.kind
}
