import { createHash, randomFillSync } from 'node:crypto'
import { refuseShare, type ShareFull } from '../orchestrator/share-refusal.ts'
import { type Refusal, refusal } from '../protocol/error.ts'
import { deltaTextBytes, pageRecordsDefault, pageSessionsDefault } from '../protocol/limits.ts'
import type { LogRecord } from '../protocol/record.ts'
import type { Cursor, Metadata } from '../protocol/shapes.ts'
import type { UpOf } from '../protocol/up.ts'
import type { Full, ListedSession, OpenReply, SessionInfo, SessionLog } from '../sessions/session-log.ts'
import type { Identity } from './auth/identity.ts'
import { pageBytes, unavailableRetryMs, writesPerMinute } from './bounds.ts'
import { fitPage } from './frames.ts'
import { KnownOwners } from './known-owners.ts'
import { WriteRate } from './write-rate.ts'

/** What was summed of an erased session goes too. */
type ForgetUse = (of: { readonly tenant: string; readonly session: string }) => Promise<void>

export interface ChatOptions {
  /** Default: nothing is summed. */
  readonly forgetUse?: ForgetUse
  /** Sessions, metadata and feedback that one subject may write; 0: any number. Default `writesPerMinute`. */
  readonly writesPerMinute?: number
}

/**
 * What a subject can do with sessions, the same for sockets and for HTTP. Every operation but `create` and `list` goes
 * through `owned`, the one place where subject and tenant are checked: another's session is `not-found`, like none.
 * Outcomes are values; a store that does not answer is `unavailable`.
 */
export class Chat {
  readonly #log: SessionLog
  readonly #turns: TurnSender
  readonly #owners: KnownOwners
  readonly #nowMs: () => number
  readonly #onFailure: (error: unknown) => void
  readonly #forgetUse: ForgetUse
  readonly #writes: WriteRate

  constructor(
    log: SessionLog,
    turns: TurnSender,
    nowMs: () => number,
    onFailure: (error: unknown) => void,
    options: ChatOptions = {},
  ) {
    this.#forgetUse = options.forgetUse ?? (async () => undefined)
    this.#writes = new WriteRate(options.writesPerMinute ?? writesPerMinute, nowMs)
    this.#onFailure = onFailure
    this.#log = log
    this.#turns = turns
    this.#owners = new KnownOwners(log)
    this.#nowMs = nowMs
  }

  /** Who owns the session, if it is the identity's. */
  owned(identity: Identity, session: string): Promise<Outcome<{ readonly info: SessionInfo }>> {
    return this.#available(async () => {
      const info = await this.#owners.find(session)
      const isTheirs = info?.owner.subject === identity.subject && info.owner.tenant === identity.tenant
      return info !== undefined && isTheirs ? { kind: 'ok', info } : notFound
    })
  }

  /** A new session; with `key` the same one for the same subject, however often. */
  create(
    identity: Identity,
    request: NewSession,
  ): Promise<Outcome<{ readonly session: string; readonly isNew: boolean }>> {
    const { prompt } = request
    if (prompt !== undefined && !this.#turns.offersPrompt(prompt)) return Promise.resolve(noPrompt)
    const tooFast = this.#tooFast(identity)
    if (tooFast !== undefined) return Promise.resolve(tooFast)
    return this.#available(async () => {
      const session = request.key === undefined ? randomId() : keyedSession(identity, request.key)
      const { project } = identity
      const { channel, metadata } = request
      const owner = { tenant: identity.tenant, subject: identity.subject }
      const attributes = { ...(project && { project }), ...(prompt && { prompt }), ...(channel && { channel }) }
      const about = { owner, ...(metadata && { metadata }) }
      const timeMs = this.#nowMs()
      const reply = await this.#log.create({ session, attributes, timeMs, ...about })
      if (reply.kind === 'store-full' || reply.kind === 'share-full') return noRoom(reply)
      // An earlier session of this key may have expired, and been made with another prompt.
      if (reply.kind === 'created') this.#owners.made(session, { createdMs: timeMs, ...about, ...attributes })
      return { kind: 'ok', session, isNew: reply.kind === 'created' }
    })
  }

  /** What a reader at `cursor` lacks, or the latest page. */
  open(session: string, cursor: Cursor | undefined): Promise<Outcome<{ readonly reply: OpenedReply }>> {
    return this.#available(async () => {
      const position = cursor === undefined ? {} : { cursor: { seq: cursor.seq, mark: cursor.mark } }
      const reply = await this.#log.open({ session, limit: pageRecordsDefault, ...position })
      if (reply.kind === 'gone') return notFound
      // Whoever touches a session finds the turn whose producer is gone (STORE B2).
      if (reply.run?.lease === 'lapsed') this.#turns.suspect(session, reply.run.turn)
      return { kind: 'ok', reply }
    })
  }

  async send(identity: Identity, request: NewMessage): Promise<Outcome<Accepted>> {
    const owned = await this.owned(identity, request.session)
    if (owned.kind === 'refused') return owned
    const { owner, prompt, channel } = owned.info
    const { project } = identity
    // Who pays is the token's to say; a session that belongs to a project goes on with that one alone.
    if (owned.info.project !== undefined && owned.info.project !== project) return otherProject
    const { session, messageId, content, replaces, model, metadata, cache } = request
    return this.#available(async () => {
      const sent = await this.#turns.send({
        session,
        owner,
        attributes: { ...(project && { project }), ...(prompt && { prompt }), ...(channel && { channel }) },
        messageId,
        content,
        ...(replaces && { replaces }),
        ...(model && { model }),
        ...(metadata && { metadata }),
        ...(cache && { mayCache: cache }),
      })
      return sent.kind === 'refused'
        ? sent
        : { kind: 'ok', turn: sent.turn, seq: sent.seq, isRepeat: sent.isRepeat, info: owned.info }
    })
  }

  cancel(identity: Identity, session: string, turn: string): Promise<Outcome<object>> {
    return this.#onOwned<object>(identity, session, async () => {
      const reply = await this.#log.cancel({ session, turn })
      if (reply.kind === 'gone') return notFound
      return reply.kind === 'unknown' ? noTurn : ok
    })
  }

  read(
    identity: Identity,
    request: TextRange,
  ): Promise<Outcome<{ at: number; end: number; bytes: number; text: string }>> {
    const { session, turn, part, at } = request
    return this.#onOwned(identity, session, async () => {
      // A third of the bound: JSON's escapes of ordinary text never make it three times as long.
      const reply = await this.#log.read({ session, turn, part, at, maxBytes: Math.floor(deltaTextBytes / 3) })
      if (reply.kind === 'gone') return notFound
      if (reply.kind === 'unknown') return noTurn
      return {
        kind: 'ok',
        at: reply.at,
        end: reply.at + reply.text.length,
        bytes: reply.length,
        text: reply.text.toString(),
      }
    })
  }

  history(identity: Identity, request: Omit<UpOf<'history.get'>, 'type' | 'id'>): Promise<Outcome<HistoryPage>> {
    const { session, before, limit = pageRecordsDefault } = request
    return this.#onOwned(identity, session, async () => {
      const reply = await this.#log.page({ session, limit, ...(before === undefined ? {} : { before }) })
      if (reply.kind === 'gone') return notFound
      const { records, isCut } = fitPage(reply.entries, 'back')
      return { kind: 'ok', records, hasMore: reply.hasMore || isCut }
    })
  }

  list(
    identity: Identity,
    request: Pick<UpOf<'session.list'>, 'before' | 'limit'>,
  ): Promise<Outcome<{ sessions: readonly ListedSession[]; next?: string }>> {
    return this.#available(async () => {
      const { before, limit = pageSessionsDefault } = request
      const owner = { tenant: identity.tenant, subject: identity.subject }
      const reply = await this.#log.list({
        owner,
        limit,
        maxBytes: pageBytes,
        ...(before === undefined ? {} : { before }),
      })
      if (reply.kind === 'invalid') return refused('invalid', 'before: not the `next` of an earlier page')
      return { kind: 'ok', sessions: reply.sessions, ...(reply.next === undefined ? {} : { next: reply.next }) }
    })
  }

  update(identity: Identity, session: string, metadata: Metadata): Promise<Outcome<object>> {
    return this.#onOwned<object>(identity, session, async () => {
      const tooFast = this.#tooFast(identity)
      if (tooFast !== undefined) return tooFast
      const reply = await this.#log.update({ session, metadata })
      if (reply.kind === 'gone') return notFound
      return reply.kind === 'ok' ? ok : noRoom(reply)
    })
  }

  erase(identity: Identity, session: string): Promise<Outcome<object>> {
    return this.#onOwned(identity, session, async () => {
      await this.#log.erase(session)
      await this.#forgetUse({ tenant: identity.tenant, session })
      this.#owners.forget(session)
      return ok
    })
  }

  giveFeedback(identity: Identity, request: NewFeedback): Promise<Outcome<{ readonly record: LogRecord }>> {
    const { session, turn, rating, comment, share } = request
    return this.#onOwned(identity, session, async () => {
      const tooFast = this.#tooFast(identity)
      if (tooFast !== undefined) return tooFast
      const opening = await this.#log.opening({ session, turn })
      if (opening.kind === 'gone') return notFound
      if (opening.kind === 'unknown') return noTurn
      const prompt = opening.record?.prompt
      const record = {
        type: 'feedback.added' as const,
        timeMs: this.#nowMs(),
        turn,
        rating,
        ...(comment === undefined ? {} : { comment }),
        ...(share === undefined ? {} : { share }),
        ...(prompt === undefined ? {} : { prompt }),
      }
      const reply = await this.#log.addFeedback({ session, record })
      switch (reply.kind) {
        case 'ok':
          return { kind: 'ok', record: { ...record, timeMs: reply.timeMs, ...reply.entry } }
        case 'gone':
          return notFound
        case 'unknown':
          return noTurn
        case 'too-many':
          return tooManyRatings(reply.limit)
        default:
          return noRoom(reply)
      }
    })
  }

  #tooFast(identity: Identity) {
    const waitMs = this.#writes.take(identity)
    if (waitMs === 0) return undefined
    const most = `you may make sessions, change them and rate answers ${this.#writes.perMinute} times a minute`
    return refused('rate-limited', `${most}: send the same request again later`, waitMs)
  }

  /** A store that is away is an answer: nothing is lost, the same request may be sent again. */
  async #available<T>(act: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    try {
      return await act()
    } catch (error) {
      if (isBug(error)) throw error
      this.#onFailure(error)
      return refused('unavailable', 'the store does not answer: send the same request again later', unavailableRetryMs)
    }
  }

  async #onOwned<T>(identity: Identity, session: string, act: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const owned = await this.owned(identity, session)
    return owned.kind === 'refused' ? owned : this.#available(act)
  }
}

export type Outcome<T> = ({ readonly kind: 'ok' } & T) | { readonly kind: 'refused'; readonly refusal: Refusal }

export type OpenedReply = Extract<OpenReply, { kind: 'ok' }>
export type NewSession = Pick<UpOf<'session.open'>, 'key' | 'prompt' | 'channel' | 'metadata'>
export type NewMessage = Omit<UpOf<'message.send'>, 'type' | 'id'>
export type NewFeedback = Omit<UpOf<'feedback.give'>, 'type' | 'id'>
export type TextRange = Omit<UpOf<'turn.read'>, 'type' | 'id'>
export interface Accepted {
  readonly turn: string
  readonly seq: number
  readonly isRepeat: boolean
  readonly info: SessionInfo
}
export interface HistoryPage {
  readonly records: readonly LogRecord[]
  readonly hasMore: boolean
}

/** Who takes messages and makes turns of them. A rejection means that the store is away. */
export interface TurnSender {
  offersPrompt(name: string): boolean
  /** Somebody met a running turn whose lease has lapsed: it is taken over, if it must be. */
  suspect(session: string, turn: string): void
  send(
    request: NewMessage & { readonly owner: SessionInfo['owner']; readonly attributes: Attributes },
  ): Promise<SendReply>
}
interface Attributes {
  readonly project?: string
  readonly prompt?: string
  readonly channel?: string
}
export type SendReply =
  | { readonly kind: 'accepted'; readonly turn: string; readonly seq: number; readonly isRepeat: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** 128 random bits. Drawn many at a time: a call into OpenSSL for each id was a fiftieth of what a new socket costs. */
export function randomId(): string {
  if (drawnAt === drawn.length) {
    randomFillSync(drawn)
    drawnAt = 0
  }
  const at = drawnAt
  drawnAt += idBytes
  return drawn.toString('base64url', at, drawnAt)
}

const idBytes = 16
const drawn = Buffer.alloc(256 * idBytes)
let drawnAt = drawn.length

/** One id for one subject's key, so that the store needs no second index and two nodes agree without asking. */
function keyedSession({ tenant, subject }: Identity, key: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([tenant, subject, key]))
    .digest('base64url')
  return digest.slice(0, 32)
}

const ok = { kind: 'ok' } as const
/** What the language throws for a mistake in a program is no store that is away. */
function isBug(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError
}

const noPrompt = refused('invalid', 'prompt: there is no prompt of that name here')
const notFound = refused('not-found', 'there is no such session')
const otherProject = refused(
  'forbidden',
  "the session belongs to another project than the token: send with a token of the session's project, or in another session",
)
const noTurn = refused('not-found', 'the session has no such turn')

function refused(...parts: Parameters<typeof refusal>): { kind: 'refused'; refusal: Refusal } {
  return { kind: 'refused', refusal: refusal(...parts) }
}

function tooManyRatings(limit: number) {
  return refused('forbidden', `this answer was rated ${limit} times, as often as it may: the last rating counts`)
}

function noRoom(reply: Full | ShareFull) {
  if (reply.kind === 'share-full') return { kind: 'refused', refusal: refuseShare(reply) } as const
  const message = 'the store holds as much as it may: try again later, or delete sessions'
  return refused('unavailable', message, reply.retryAfterMs)
}
