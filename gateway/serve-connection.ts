import { closeCodes } from '../protocol/close-code.ts'
import { refusal } from '../protocol/error.ts'
import type { Request } from '../protocol/up.ts'
import type { Feeds } from '../sessions/feeds.ts'
import type { SessionLog } from '../sessions/session-log.ts'
import type { Verification } from './auth/authenticator.ts'
import type { Identity } from './auth/identity.ts'
import {
  requestsAtOnce,
  requestsWaitingLength,
  requestsWaitingMax,
  unansweredForRequestsBytes,
  unreadPongsBytes,
  unsentForRequestsBytes,
} from './bounds.ts'
import type { Chat } from './chat.ts'
import { openConnection, stepConnection } from './connection.ts'
import type {
  ConnectionEffect,
  ConnectionEvent,
  ConnectionSettings,
  ConnectionState,
  VerifyPurpose,
} from './connection-state.ts'
import { answerCost, frameCost, requestCost } from './frame-rate.ts'
import { type BugListener, Outbox } from './outbox.ts'
import { largestAnswerBytes, type Served, serveRequest } from './requests.ts'
import type { SubjectRate } from './subject-rate.ts'
import type { IncomingTrace, SocketTelemetry } from './telemetry/ports.ts'
import type { Socket, SocketHandlers } from './transport/transport.ts'

/**
 * The shell of one socket: turns the transport's events into the reducer's, and its effects into calls. Requests are
 * served side by side, bounded; they wait while the client does not read what it was answered.
 */
export class ServedConnection implements SocketHandlers, BugListener {
  readonly outbox: Outbox
  readonly #incomingTrace: IncomingTrace | undefined
  readonly #socket: Socket
  readonly #deps: ConnectionDeps
  #state: ConnectionState
  #identity: Identity | undefined
  #servingCount = 0
  /** What the requests that are being served may be answered with, in bytes, at most. */
  #reservedBytes = 0
  #waiting: { readonly request: Request; readonly identity: Identity }[] = []
  #waitingLength = 0
  /** What the gateway closed it with. */
  #closedWith: number | undefined
  /** It sent more than a client may before `welcome`, whatever code it was closed with. */
  #wasOverLimit = false

  constructor(
    socket: Socket,
    deps: ConnectionDeps,
    settings: ConnectionSettings,
    headerToken: string | undefined,
    incomingTrace: IncomingTrace | undefined,
  ) {
    this.#socket = socket
    this.#deps = deps
    this.#incomingTrace = incomingTrace
    this.#state = openConnection(settings, deps.nowMs(), headerToken)
    this.outbox = new Outbox(socket, deps.feeds, deps.log, deps.telemetry, this)
  }

  get connection(): string {
    return this.#state.settings.connection
  }

  get identity(): Identity | undefined {
    return this.#identity
  }

  text(text: string): void {
    this.#deps.telemetry.frameCame(text.length)
    const nowMs = this.#deps.nowMs()
    const identity = this.#identity
    const subjectWaitMs =
      identity === undefined ? 0 : this.#deps.subjectRate.take(identity, frameCost(text.length), nowMs)
    this.#step({ type: 'frame', text, subjectWaitMs, nowMs })
  }

  binary(): void {
    this.#step({ type: 'binary', nowMs: this.#deps.nowMs() })
  }

  overLimit(): void {
    this.#wasOverLimit = true
    this.#step({ type: 'over-limit' })
  }

  pong(payload: string): void {
    const isNew = this.outbox.pong(payload)
    this.#step({ type: isNew ? 'read' : 'control', nowMs: this.#deps.nowMs() })
    if (isNew) this.#serveWaiting()
  }

  alive(): void {
    this.#step({ type: 'control', nowMs: this.#deps.nowMs() })
    // What is unsent and is not the outbox's are pongs, which the library queues by itself.
    if (this.#socket.bufferedBytes() - this.outbox.unansweredBytes <= unreadPongsBytes) return
    this.#closedWith = closeCodes.tooFast
    this.#socket.terminate()
  }

  tick(): void {
    const { unansweredBytes } = this.outbox
    this.#guard(() => {
      if (this.#isKeyRemoved()) this.#step({ type: 'key-removed' })
      this.#step({ type: 'tick', unansweredBytes, nowMs: this.#deps.nowMs() })
    })
  }

  leave(reconnectAfterMs: number, deadlineMs: number): void {
    this.#guard(() => this.#step({ type: 'leaving', reconnectAfterMs, deadlineMs }))
  }

  /** Ends the socket from outside the protocol: the node leaves, the origin is not allowed. */
  end(code: number, reason: string): void {
    this.#step({ type: 'closed' })
    this.#release()
    this.#socket.close(code, reason)
  }

  closed(code: number): void {
    this.#step({ type: 'closed' })
    this.#release()
    const { connection } = this
    this.#deps.telemetry.closed(connection, code, this.#deps.nowMs() - this.#state.openedMs)
    this.#deps.closed(this, this.#wasOverLimit || misbehavior.has(this.#closedWith ?? code))
  }

  /** Of the token that counts now: a refresh may have brought one of another key. */
  #isKeyRemoved(): boolean {
    return this.#state.phase === 'ready' && this.#state.identity.signedBy?.isRemoved === true
  }

  #step(event: ConnectionEvent): void {
    const { state, effects } = stepConnection(this.#state, event)
    this.#state = state
    for (const effect of effects) this.#perform(effect)
  }

  #perform(effect: ConnectionEffect): void {
    switch (effect.type) {
      case 'send':
        if (effect.frame.type === 'error') this.#deps.telemetry.refused(effect.frame.kind)
        return void this.outbox.send(effect.frame)
      case 'verify':
        return void this.#verify(effect.token, effect.purpose)
      case 'welcomed':
        this.#identity = effect.identity
        this.#socket.admit()
        return this.#deps.welcomed(this, effect.identity, effect.client)
      case 'serve':
        return this.#take(effect.request, effect.identity)
      case 'ping':
        return this.outbox.heartbeat()
      case 'close':
        this.#release()
        this.#closedWith = effect.code
        return this.#socket.close(effect.code, effect.reason)
      default:
        return assertNever(effect)
    }
  }

  async #verify(token: string, purpose: VerifyPurpose): Promise<void> {
    const verification = await this.#deps.verify(token).catch((error: unknown) => this.#verifyFailed(error))
    const isHello = purpose.kind === 'hello'
    // Nobody waits for this: what it throws would end the process.
    this.#guard(() => {
      const hasPlace = verification.kind === 'refused' || !isHello || this.#deps.hasPlace(verification.identity)
      this.#step({ type: 'verified', purpose, verification, hasPlace, nowMs: this.#deps.nowMs() })
    })
  }

  #verifyFailed(error: unknown): Verification {
    this.#deps.telemetry.failed(this.connection, error)
    return { kind: 'refused', reason: 'unavailable', message: 'unable to verify the token: try again' }
  }

  #take(request: Request, identity: Identity): void {
    this.#deps.subjectRate.charge(identity, requestCost(request), this.#deps.nowMs())
    if (this.#waiting.length === 0 && this.#canServe(request)) return void this.#serve(request, identity)
    const length = lengthOf(request)
    if (this.#waiting.length < requestsWaitingMax && this.#waitingLength + length <= requestsWaitingLength) {
      this.#waiting.push({ request, identity })
      this.#waitingLength += length
      return
    }
    const error = refusal('rate-limited', 'too many requests are waiting for their answers: read them first', 1_000)
    this.#perform({ type: 'send', frame: { type: 'error', ref: request.id, ...error } })
  }

  /** Each request under way counts as if its answer were as large as it can be: they may all be answered at once. */
  #canServe(request: Request): boolean {
    if (this.#servingCount >= requestsAtOnce || this.#socket.bufferedBytes() > unsentForRequestsBytes) return false
    const expectedBytes = this.outbox.unansweredBytes + this.#reservedBytes + largestAnswerBytes(request)
    return expectedBytes <= unansweredForRequestsBytes
  }

  #serveWaiting(): void {
    for (;;) {
      const [next] = this.#waiting
      if (next === undefined || !this.#canServe(next.request)) return
      this.#waiting.shift()
      this.#waitingLength -= lengthOf(next.request)
      void this.#serve(next.request, next.identity)
    }
  }

  /** A bug in serving a request closes this socket, and no other. */
  async #serve(request: Request, identity: Identity): Promise<void> {
    const reservedBytes = largestAnswerBytes(request)
    this.#servingCount++
    this.#reservedBytes += reservedBytes
    let answeredBytes = 0
    try {
      const served = this.#served((frame) => {
        answeredBytes += this.outbox.send(frame)
      })
      const { telemetry } = this.#deps
      await telemetry.traced(request, this.connection, this.#incomingTrace, () =>
        serveRequest(served, identity, request, (kind) => telemetry.refused(kind)),
      )
    } catch (error) {
      this.broke(error)
    }
    this.#servingCount--
    this.#reservedBytes -= reservedBytes
    const nowMs = this.#deps.nowMs()
    this.#step({ type: 'answered', bytes: answeredBytes, nowMs })
    this.#deps.subjectRate.charge(identity, answerCost(answeredBytes), nowMs)
    this.#serveWaiting()
  }

  #served(answer: Served['answer']): Served {
    const { chat, telemetry } = this.#deps
    return {
      chat,
      outbox: this.outbox,
      watchedSessions: this.#state.settings.watchedSessions,
      answer,
      hasRoom: () => this.outbox.unansweredBytes < unansweredForRequestsBytes,
      opened: (how, session) => {
        telemetry.sessionOpened(how)
        this.#deps.watched(this.connection, session)
      },
    }
  }

  /** For what no transport calls, which would catch it: a timer, a promise. */
  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.broke(error)
    }
  }

  /** A bug closes this socket, and no other. */
  broke(error: unknown): void {
    this.#deps.telemetry.failed(this.connection, error)
    this.end(closeCodes.internal, 'internal error')
  }

  #release(): void {
    this.#waiting = []
    this.#waitingLength = 0
    this.outbox.close()
  }
}

export interface ConnectionDeps {
  readonly chat: Chat
  readonly feeds: Feeds
  readonly log: SessionLog
  readonly telemetry: SocketTelemetry
  readonly subjectRate: SubjectRate
  nowMs(): number
  verify(token: string): Promise<Verification>
  /** Whether the subject may have one more socket here. */
  hasPlace(identity: Identity): boolean
  welcomed(connection: ServedConnection, identity: Identity, client: string): void
  /** `hasMisbehaved`: it was closed for what it sent. */
  closed(connection: ServedConnection, hasMisbehaved: boolean): void
  /** A socket watches a session from now on. */
  watched(connection: string, session: string): void
}

/** Codes that say what a client did: the gateway's own, and those of a library that refuses a frame (RFC 6455, 7.4.1). */
const misbehavior: ReadonlySet<number> = new Set([
  closeCodes.tooFast,
  closeCodes.protocol,
  closeCodes.tooManyErrors,
  1002,
  1007,
  1008,
  1009,
])

/** The part of a request that may be long; the rest has bounds of its own (`metadataBytes`, `commentLength`). */
function lengthOf(request: Request): number {
  return request.type === 'message.send' ? request.content.length : 0
}

function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`)
}
