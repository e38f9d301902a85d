/**
 * The Sluice client: one connection to a gateway, sessions that survive losing it, answers as they are made. Runs in
 * browsers, in Node, and wherever there is a WebSocket.
 */

export type { Ending } from '../protocol/ending.ts'
export type { ErrorKind, Refusal } from '../protocol/error.ts'
export type { Cost, Metadata, Usage } from '../protocol/shapes.ts'
export { type Answer, type AnswerEvent, RestartedError } from './answer.ts'
export { type Bounds, defaultBounds } from './bounds.ts'
export { createClient, type NewSessionOptions, type SessionList, type SluiceClient } from './create-client.ts'
export type { AnswerResult } from './event.ts'
export type { ClientOptions, WebSocketClass, WebSocketLike } from './options.ts'
export type { FeedbackOptions, SendOptions, SessionHandle } from './session-handle.ts'
export { SluiceError } from './sluice-error.ts'
export type { Stats, TokenReason, TurnState, TurnView } from './state.ts'
export type { ConnectionState, SessionView } from './view.ts'
