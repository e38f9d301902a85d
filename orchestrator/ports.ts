import type { Refusal } from '../protocol/error.ts'
import type { RecordOf } from '../protocol/record.ts'
import type { Cost, Metadata, Usage } from '../protocol/shapes.ts'
import type { RequestParameters } from './policy.ts'
import type { ChosenPrompt } from './prompts/prompts.ts'
import type { ShareFull } from './share-refusal.ts'

/**
 * What the orchestrator needs of the rest, each port as narrow as its use. The store, the feeds and the telemetry happen
 * to have these shapes; `gateway/main.ts` joins them and the compiler checks the fit.
 */

type Unplaced<R> = R extends unknown ? Omit<R, 'seq' | 'mark'> : never
type MessageRecord = Unplaced<RecordOf<'message.added'>>
export type OpeningRecord = Unplaced<RecordOf<'turn.started'>> | Unplaced<RecordOf<'turn.restarted'>>
export type TerminalRecord =
  | Unplaced<RecordOf<'turn.completed'>>
  | Unplaced<RecordOf<'turn.cancelled'>>
  | Unplaced<RecordOf<'turn.failed'>>

interface Place {
  readonly seq: number
  readonly mark: number
}

export interface HistoryEntry {
  readonly record: RecordOf<
    | 'message.added'
    | 'turn.started'
    | 'turn.restarted'
    | 'turn.completed'
    | 'turn.cancelled'
    | 'turn.failed'
    | 'feedback.added'
    | 'record.skipped'
  >
  /** A terminal's parts' whole texts, in UTF-8. */
  readonly texts?: readonly Buffer[]
}

/** Who may write: the claim's token, the turn and the attempt that this token opened. */
export interface Fence {
  readonly token: string
  readonly turn: string
  readonly attempt: number
}

interface Gone {
  readonly kind: 'gone'
}

export interface AcceptRequest {
  readonly session: string
  readonly messageId: string
  readonly hash: string
  readonly turn: string
  readonly token: string
  readonly leaseMs: number
  readonly record: MessageRecord
}
export type AcceptReply =
  | { readonly kind: 'yours'; readonly turn: string; readonly entry: Place }
  | { readonly kind: 'repeat'; readonly turn: string; readonly entry: Place }
  | { readonly kind: 'conflict'; readonly turn: string; readonly entry: Place }
  | { readonly kind: 'busy'; readonly turn: string; readonly lease: 'held' | 'lapsed' }
  | { readonly kind: 'not-last' }
  | { readonly kind: 'store-full'; readonly retryAfterMs: number }
  | ShareFull
  | Gone

interface AppendRequest {
  readonly session: string
  readonly fence: Fence
  readonly part: number
  readonly at: number
  /** A view that never changes: the callee may keep it. */
  readonly text: Uint8Array
  readonly open?: OpeningRecord
  readonly leaseMs: number
  readonly maxBytes: number
}
export type AppendReply =
  | { readonly kind: 'ok' | 'full'; readonly length: number }
  | { readonly kind: 'attempt'; readonly attempt: number }
  | { readonly kind: 'cancel'; readonly attempt: number; readonly length: number }
  | { readonly kind: 'stale' }
  | Gone

interface EndRequest {
  readonly session: string
  readonly token: string
  readonly turn: string
  readonly attempt: number
  readonly record: TerminalRecord
  readonly parts: readonly { readonly bytes: number; readonly sha1: string }[]
}
export type EndReply =
  | { readonly kind: 'ok' | 'ended' }
  | { readonly kind: 'behind'; readonly attempt: number }
  | { readonly kind: 'cancel'; readonly attempt: number; readonly length: number }
  | { readonly kind: 'stale' }
  | Gone

interface TakeOverRequest {
  readonly session: string
  readonly token: string
  readonly leaseMs: number
  readonly seen?: number
  readonly turn?: string
}
export type TakeOverReply =
  | {
      readonly kind: 'yours'
      readonly turn: string
      readonly attempt: number
      readonly isCancelled: boolean
      readonly message: Place
    }
  | { readonly kind: 'lapsed'; readonly deadline: number }
  | { readonly kind: 'held'; readonly forMs: number }
  | { readonly kind: 'idle' }
  | Gone

/** What a session was made with. */
export interface DescribedSession {
  readonly owner: { readonly tenant: string; readonly subject: string }
  readonly project?: string
  readonly prompt?: string
  readonly channel?: string
}
type DescribeReply = { readonly kind: 'ok'; readonly info: DescribedSession } | Gone

type PageReply = { readonly kind: 'ok'; readonly entries: readonly HistoryEntry[]; readonly hasMore: boolean } | Gone

type ReadReply =
  | { readonly kind: 'ok'; readonly at: number; readonly text: Buffer; readonly length: number }
  | { readonly kind: 'unknown' }
  | Gone

/** All of a session's news; a turn minds the nudges alone. Callbacks are synchronous and must not throw. */
interface TurnListener {
  confirmed(): void
  lost(): void
  record(previous: unknown, entry: unknown): void
  delta(fence: unknown, part: number, at: number, end: number, text: unknown): void
  nudge(kind: 'renew' | 'taken' | 'cancel'): void
  updated(metadata: Metadata): void
  erased(reason: string): void
}

/**
 * The store of sessions, as a producer sees it. A reply is a value; a rejection means that the store is away and the
 * outcome unknown, and the same call may be made again.
 */
export interface TurnLog {
  describe(session: string): Promise<DescribeReply>
  accept(request: AcceptRequest): Promise<AcceptReply>
  append(request: AppendRequest): Promise<AppendReply>
  end(request: EndRequest): Promise<EndReply>
  takeOver(request: TakeOverRequest): Promise<TakeOverReply>
  page(request: { readonly session: string; readonly before?: number; readonly limit: number }): Promise<PageReply>
  read(request: {
    readonly session: string
    readonly turn: string
    readonly part: number
    readonly at: number
    readonly maxBytes: number
  }): Promise<ReadReply>
  /** How often the way to the store was seen broken so far. */
  breaks(): number
  /** Turns whose lease seems to have lapsed, some of them: a hint. */
  lapsed(): Promise<readonly { readonly session: string; readonly turn: string }[]>
  subscribe(session: string, listener: TurnListener): { hearDeltas(wanted: boolean): void; close(): void }
}

/** The watchers on this node, who need no echo of what is made here. */
export interface Audience {
  /** A producer begins here; `token` is in the fence of all that it writes. */
  started(session: string, token: string): void
  /**
   * Text that the store has acknowledged: of one fence once, contiguous, in order. `text` never changes. `arrivedMs` is
   * when the oldest of it came from the provider, on the monotonic clock (milliseconds).
   */
  delivered(session: string, fence: Fence, part: number, at: number, text: Uint8Array, arrivedMs: number): void
  /**
   * A producer here is over. With `isEnded` it wrote the turn's end, which is being told; else what the node shows must
   * come from the store again.
   */
  stopped(session: string, token: string, isEnded: boolean): void
}

export interface ProviderMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly content: string
}

export interface ProviderRequest {
  readonly model: string
  readonly messages: readonly ProviderMessage[]
  readonly maxOutputTokens: number
  readonly apiKey: string
  /** Members of the body that the prompt's version asks for; a target takes those that it allows. */
  readonly parameters?: RequestParameters
  /** What names this call in the log: ids and the operator's words. */
  readonly log?: object
}

export interface ProviderEnd {
  /** stop, length, content_filter, or as the provider says where it is none of them. */
  readonly finishReason: string
  /** As it was said after the last text; absent: it was not. */
  readonly usage?: Omit<Usage, 'source'>
}

/**
 * What may help after a failure: the same call again after a while; the same with another key, or with this one after a
 * while; the same with another account's key, since waiting helps nothing; another target; or nothing, since the request
 * itself is at fault.
 */
export type Cure = 'wait' | 'other-key' | 'other-account' | 'other-target' | 'none'

export interface ProviderFailure {
  /** As a user may read it. */
  readonly refusal: Refusal
  readonly cure: Cure
  /** The provider asks to be left alone for this long, in milliseconds. */
  readonly retryAfterMs?: number
  /** It says something about the target's health: a refusal of this request or this key does not. */
  readonly isIllness: boolean
}

/** What a call brings, synchronously and never from inside `call`. After `ended` or `failed`, or `close`, nothing more. */
export interface ProviderSink {
  /** The connection stands; at most once, before all else. */
  connected(): void
  /** The provider took the request and streams. `model` is what it says it runs. At most once, before any text. */
  started(answer: { readonly model?: string; readonly id?: string }): void
  /** The provider answered, or was given up while it might: it counts from here on. At most once. */
  taken?(): void
  /** A piece of the answer; may end in half a surrogate pair. */
  text(chunk: string): void
  /** A piece of the thinking before the answer, where it is sent. */
  thought?(chunk: string): void
  /** Something came that says nothing, such as a comment: the provider is at work. */
  alive?(): void
  /** What the provider says that it counted so far. */
  counted?(usage: NonNullable<ProviderEnd['usage']>): void
  ended(end: ProviderEnd): void
  failed(failure: ProviderFailure): void
}

export interface ProviderCall {
  /** Stops reading the provider's body: TCP pushes back. What was already read may still come. */
  pause(): void
  resume(): void
  /** Destroys the connection at once, also before its first byte; the sink hears nothing more. Idempotent. */
  close(): void
}

export interface Provider {
  /** The provider's name in telemetry, as the GenAI conventions spell it. */
  readonly name: string
  call(request: ProviderRequest, sink: ProviderSink): ProviderCall
  /** Destroys idle and busy connections. */
  close(): void
}

export type TurnEnd = 'completed' | 'cancelled' | 'failed'
/** Why a producer stopped: its turn ended, is another's or left to others, session or store are gone, or a bug. */
export type StopReason = 'ended' | 'fenced' | 'handed-over' | 'left' | 'gone' | 'store-away' | 'bug'
/** What became of a dead producer's turn: as configured, or ended since it was cancelled. */
export type TakeOverKind = 'restart' | 'continue' | 'fail' | 'cancelled'

/** Figures only, never text. Methods are cheap and must not throw; `tokenGap` is called for every piece of text. */
export interface TurnTelemetry {
  /** `isRetry`: the message takes the place of the last turn. */
  turnAccepted(sinceReceivedMs: number, isRetry: boolean): void
  turnRefused(kind: Refusal['kind']): void
  /** A call of a target was made, or began to wait for its place. `why`: the first, a retry, a fallback, … */
  callMade(target: string, why: 'first' | 'retry' | 'key' | 'fallback' | 'hedge'): void
  /** It was not sent after all. */
  callPassed(target: string, why: 'full' | 'ill' | 'cooling' | 'refused'): void
  /** From the sending of a call to its first content. */
  firstContent(target: string, ms: number): void
  /** `lost`: another one's content came first; `late`, `silent`, `thinking`: it was closed for that; `cancelled`: with its turn. `ms`: since it was sent; 0: it was not. */
  callEnded(
    target: string,
    how: 'ended' | 'failed' | 'cancelled' | 'lost' | 'late' | 'silent' | 'thinking',
    ms: number,
  ): void
  firstToken(sinceAcceptMs: number, sinceCallMs: number): void
  tokenGap(gapMs: number): void
  turnEnded(end: {
    readonly kind: TurnEnd
    readonly model: string
    readonly finishReason: string
    readonly error?: Refusal['kind']
    readonly durationMs: number
    readonly prompt: ChosenPrompt
    readonly usage: Usage
    readonly cost?: Cost
  }): void
  /** A message that a budget did not allow: whose, and which. */
  budgetRefused(scope: string, limit: string): void
  /** So many values of one kind became placeholders before a provider saw them. */
  redacted(kind: string, count: number): void
  /** An answer was stopped for what it says. */
  filtered(): void
  /** A request that allows it was looked for in the cache. */
  cacheAsked(isHit: boolean): void
  /** An operation of the store was rejected and is asked again. */
  operationRepeated(): void
  attemptOpened(attempt: number): void
  takenOver(how: TakeOverKind): void
  stopped(reason: StopReason): void
}

/** pino has this shape. Fields are ids and figures, never text. */
export interface TurnLogger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number
  /** Milliseconds from some start, never backwards. */
  monotonicMs(): number
  /** Runs `run` once after `delayMs`; the answer takes it back. */
  after(delayMs: number, run: () => void): () => void
}
