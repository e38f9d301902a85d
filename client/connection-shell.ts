import type { Down } from '../protocol/down.ts'
import { protocolVersion } from '../protocol/version.ts'
import { type Answer, type AnswerSource, createAnswer } from './answer.ts'
import type { CallOutcome, Effect, Input } from './event.ts'
import { createNotifier } from './notifier.ts'
import {
  type ClientOptions,
  randomId,
  socketUrl,
  steadyClock,
  type WebSocketClass,
  type WebSocketLike,
} from './options.ts'
import type { HandlePort } from './session-handle.ts'
import { SluiceError } from './sluice-error.ts'
import type { ClientState, NewMessage, Session, Stats, Unnumbered } from './state.ts'
import { initialState, step } from './step.ts'
import type { ConnectionState } from './view.ts'
import { listenForWaking } from './waking.ts'

/**
 * The one place with sockets, timers and listeners. It feeds events to `step` one at a time, does the effects in their
 * order, and tells listeners afterwards, once per microtask. It decides nothing.
 */
export interface ConnectionShell {
  readonly port: HandlePort
  connection(): ConnectionState
  stats(): Stats
  subscribe(listener: (state: ConnectionState) => void): () => void
  connect(): void
  close(): void
  /** The name of the first session that fits. */
  find(fits: (session: Session) => boolean): string | undefined
  /** Rejects with `SluiceError`. */
  call(local: string | undefined, request: Unnumbered): Promise<Down>
}

export function createConnectionShell(options: ClientOptions): ConnectionShell {
  // Boundary: the platform's class has more overloads than are used here, and may be missing.
  const WebSocketOf = options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined)
  if (WebSocketOf === undefined) throw new TypeError('unable to connect: no global WebSocket; pass options.WebSocket')
  const Dialled: WebSocketClass = WebSocketOf
  const now = options.now ?? steadyClock()
  const random = options.random ?? Math.random
  const url = socketUrl(options.url)

  let state: ClientState = initialState({ client: options.client, ...(options.limits && { bounds: options.limits }) })
  const events: Input[] = []
  let isStepping = false
  const sockets = new Map<number, WebSocketLike>()
  const answers = new Map<string, AnswerSource>()
  const calls = new Map<number, (outcome: CallOutcome) => void>()
  let callCount = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let timerMs = Number.POSITIVE_INFINITY
  let stopListening: (() => void) | undefined
  const notifier = createNotifier(() => state)

  function dispatch(input: Input): void {
    events.push(input)
    if (isStepping) return
    isStepping = true
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) take(next)
    } finally {
      isStepping = false
      arm()
    }
  }

  function take(input: Input): void {
    const before = state
    let effects: Effect[] = []
    try {
      const after = step(state, { ...input, nowMs: now(), roll: random() })
      state = after.state
      effects = after.effects
    } catch (error) {
      // Without schemas at runtime, a frame of a wrong shape shows only here. The state is as it was before it.
      if (input.type !== 'frame') throw error
      events.push({ type: 'malformed', socket: input.socket })
    }
    for (const effect of effects) act(effect)
    notifier.changed(before)
  }

  function arm(): void {
    if (state.dueMs >= timerMs) return
    clearTimeout(timer)
    timerMs = state.dueMs
    const waitMs = Math.min(Math.max(1, Math.ceil(timerMs - now())), 2 ** 31 - 1)
    timer = setTimeout(() => {
      timerMs = Number.POSITIVE_INFINITY
      dispatch({ type: 'tick' })
    }, waitMs)
  }

  function act(effect: Effect): void {
    switch (effect.type) {
      case 'text':
        return answers.get(answerKey(effect))?.add(effect.text)
      case 'cut':
        return answers.get(answerKey(effect))?.cut(effect.text, effect.isRepeat)
      case 'answered':
        answers.get(answerKey(effect))?.end(effect.result)
        answers.delete(answerKey(effect))
        return
      case 'called':
        calls.get(effect.call)?.(effect.outcome)
        calls.delete(effect.call)
        return
      case 'dial':
        return dial(effect.socket)
      case 'transmit':
        return sockets.get(effect.socket)?.send(JSON.stringify(effect.frame))
      case 'hang-up':
        sockets.get(effect.socket)?.close(effect.code)
        sockets.delete(effect.socket)
        return
      case 'fetch-token':
        fetchToken(effect.ticket, effect.reason)
    }
  }

  function dial(socket: number): void {
    const closed = (code: number, reason: string) => {
      if (sockets.delete(socket)) dispatch({ type: 'socket-closed', socket, code, reason })
    }
    try {
      const wire = new Dialled(url, [protocolVersion])
      sockets.set(socket, wire)
      wire.onopen = () => dispatch({ type: 'socket-opened', socket })
      wire.onmessage = ({ data }: { readonly data: unknown }) => {
        if (sockets.has(socket)) dispatch(readFrame(socket, data))
      }
      wire.onclose = ({ code, reason }: { readonly code?: number; readonly reason?: string }) =>
        closed(code ?? 1006, reason ?? '')
      // A close follows every error, and says more.
      wire.onerror = () => undefined
    } catch (error) {
      // No WebSocket can be made from this address, now or later.
      events.push({ type: 'socket-closed', socket, code: 4500, reason: String(error) })
    }
  }

  function fetchToken(ticket: number, reason: Parameters<ClientOptions['getToken']>[0]): void {
    const fetched = async () => options.getToken(reason)
    fetched().then(
      (token) => dispatch(token ? { type: 'token', ticket, token } : { type: 'token-failed', ticket }),
      () => dispatch({ type: 'token-failed', ticket }),
    )
  }

  function call(local: string | undefined, request: Unnumbered): Promise<Down> {
    const number = ++callCount
    return new Promise((resolve, reject) => {
      calls.set(number, (outcome) =>
        outcome.kind === 'ok' ? resolve(outcome.frame) : reject(new SluiceError(outcome.error)),
      )
      dispatch({ type: 'call', call: number, local, request })
    })
  }

  function send(local: string, message: NewMessage): Answer {
    const { messageId } = message
    const key = answerKey({ local, messageId })
    const known = answers.get(key)
    if (known !== undefined) return known.answer
    const source = createAnswer(messageId, () => dispatch({ type: 'cancel', local, messageId }))
    answers.set(key, source)
    dispatch({ type: 'send', local, message })
    return source.answer
  }

  return {
    port: {
      session: (local) => state.sessions.get(local),
      view: notifier.view,
      dispatch,
      call,
      send,
      randomId: () => randomId(random),
      subscribe: notifier.subscribeView,
      release(local) {
        dispatch({ type: 'unwatch', local })
        notifier.forget(local)
      },
    },
    connection: notifier.connection,
    stats: () => ({ ...state.stats, reconnects: Math.max(0, state.stats.reconnects) }),
    subscribe: notifier.subscribe,
    connect() {
      stopListening ??= listenForWaking(() => dispatch({ type: 'wake' }))
      dispatch({ type: 'connect' })
    },
    close() {
      stopListening?.()
      stopListening = undefined
      dispatch({ type: 'close' })
    },
    find(fits) {
      for (const session of state.sessions.values()) if (fits(session)) return session.local
      return undefined
    },
    call,
  }
}

function answerKey({ local, messageId }: { readonly local: string; readonly messageId: string }): string {
  return `${local} ${messageId}`
}

function readFrame(socket: number, data: unknown): Input {
  try {
    // The gateway is trusted with the shape; what it gets wrong is caught around the step.
    const frame = JSON.parse(String(data)) as Down | null
    if (typeof frame?.type === 'string') return { type: 'frame', socket, frame }
  } catch {
    // No JSON: as malformed as what has no type.
  }
  return { type: 'malformed', socket }
}
