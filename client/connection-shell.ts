import type { Down } from '../protocol/down.ts'
import { protocolVersion } from '../protocol/version.ts'
import { type AnswerSource, createAnswer } from './answer.ts'
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
import type { ClientState, Session, Stats, TokenReason } from './state.ts'
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
}

export function createConnectionShell(options: ClientOptions): ConnectionShell {
  const random = options.random ?? Math.random
  let stopListening: (() => void) | undefined
  const { dispatch, state } = createStepper(options, random, (effects, before) => {
    for (const effect of effects) act(effect)
    notifier.changed(before)
  })
  const notifier = createNotifier(state)
  const { tell, ...asking } = createAsking(dispatch)
  const act = createWire(options, dispatch, tell)

  return {
    port: {
      session: (local) => state().sessions.get(local),
      view: notifier.view,
      dispatch,
      ...asking,
      randomId: () => randomId(random),
      subscribe: notifier.subscribeView,
      release(local) {
        dispatch({ type: 'unwatch', local })
        notifier.forget(local)
      },
    },
    connection: notifier.connection,
    stats() {
      const { stats } = state()
      return { ...stats, reconnects: Math.max(0, stats.reconnects) }
    },
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
    find: (fits) => [...state().sessions.values()].find(fits)?.local,
  }
}

type Dispatch = (input: Input) => void

/** Sockets and tokens. Throws `TypeError` when there is no class to make sockets of. */
function createWire(
  options: ClientOptions,
  dispatch: Dispatch,
  tell: (effect: ToldEffect) => void,
): (effect: Effect) => void {
  // Boundary: the platform's class has more overloads than are used here, and may be missing.
  const WebSocketOf = options.WebSocket ?? (globalThis.WebSocket as WebSocketClass | undefined)
  if (WebSocketOf === undefined) throw new TypeError('unable to connect: no global WebSocket; pass options.WebSocket')
  const url = socketUrl(options.url)
  const sockets = new Map<number, WebSocketLike>()

  const dial = (socket: number): void => {
    try {
      const wire = new WebSocketOf(url, [protocolVersion])
      sockets.set(socket, wire)
      wire.onopen = () => dispatch({ type: 'socket-opened', socket })
      wire.onmessage = ({ data }: { readonly data: unknown }) => {
        if (sockets.has(socket)) dispatch(readFrame(socket, data))
      }
      // Some phones say `null` for what they do not know.
      wire.onclose = ({ code, reason }: { readonly code?: number | null; readonly reason?: string | null }) => {
        if (sockets.delete(socket))
          dispatch({ type: 'socket-closed', socket, code: code ?? 1006, reason: reason ?? '' })
      }
      // A close follows every error, and says more.
      wire.onerror = () => undefined
    } catch (error) {
      // No WebSocket can be made from this address, now or later.
      dispatch({ type: 'socket-closed', socket, code: 4500, reason: String(error) })
    }
  }

  function fetchToken(ticket: number, reason: TokenReason): void {
    const fetched = async () => options.getToken(reason)
    const failed = (error: unknown) =>
      dispatch({ type: 'token-failed', ticket, message: `getToken failed: ${String(error)}` })
    fetched().then(
      // An application without types may give anything.
      (token: unknown) =>
        token && typeof token === 'string' ? dispatch({ type: 'token', ticket, token }) : failed('it gave no text'),
      failed,
    )
  }

  return (effect) => {
    switch (effect.type) {
      case 'dial':
        return dial(effect.socket)
      case 'transmit':
        return sockets.get(effect.socket)?.send(JSON.stringify(effect.frame))
      case 'hang-up':
        sockets.get(effect.socket)?.close(effect.code)
        sockets.delete(effect.socket)
        return
      case 'fetch-token':
        return fetchToken(effect.ticket, effect.reason)
      default:
        return tell(effect)
    }
  }
}

/** What was asked of the session and the gateway, and `tell`, by which those who asked hear of it. */
function createAsking(
  dispatch: Dispatch,
): Pick<HandlePort, 'call' | 'send'> & { readonly tell: (effect: ToldEffect) => void } {
  const answers = new Map<string, AnswerSource>()
  const calls = new Map<number, (outcome: CallOutcome) => void>()
  let callCount = 0
  return {
    call(local, request) {
      const call = ++callCount
      return new Promise((resolve, reject) => {
        calls.set(call, (outcome) =>
          outcome.kind === 'ok' ? resolve(outcome.frame) : reject(new SluiceError(outcome.error)),
        )
        dispatch({ type: 'call', call, local, request })
      })
    },
    send(local, message) {
      const { messageId } = message
      const key = answerKey({ local, messageId })
      let source = answers.get(key)
      if (source === undefined) {
        source = createAnswer(messageId, () => dispatch({ type: 'cancel', local, messageId }))
        answers.set(key, source)
        dispatch({ type: 'send', local, message })
      }
      return source.answer
    },
    tell(effect) {
      if (effect.type === 'called') {
        const { call, outcome } = effect
        calls.get(call)?.(outcome)
        calls.delete(call)
        return
      }
      const key = answerKey(effect)
      const source = answers.get(key)
      if (effect.type === 'text') return source?.add(effect.text)
      if (effect.type === 'cut') return source?.cut(effect.text, effect.isRepeat)
      source?.end(effect.result)
      answers.delete(key)
    },
  }
}

type ToldEffect = Extract<Effect, { type: 'text' | 'cut' | 'answered' | 'called' }>

/**
 * Holds the state and the one timer. Events are taken one at a time: what is dispatched by `act` waits for its turn.
 * `changed` is told the state before each of them.
 */
function createStepper(
  options: ClientOptions,
  random: () => number,
  stepped: (effects: readonly Effect[], before: ClientState) => void,
): { dispatch: Dispatch; state(): ClientState } {
  const now = options.now ?? steadyClock()
  let state = initialState({ client: options.client, ...(options.limits && { bounds: options.limits }) })
  const events: Input[] = []
  let isStepping = false
  let timer: ReturnType<typeof setTimeout> | undefined
  let timerMs = Number.POSITIVE_INFINITY

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
      dispatch({ type: 'malformed', socket: input.socket })
    }
    stepped(effects, before)
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

  return { dispatch, state: () => state }
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
