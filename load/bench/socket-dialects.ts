import { once } from 'node:events'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { type Dialect, type Heard, nowMs, type OpenStream, type Question } from './streams.ts'

/** The frames of a server that is spoken to over a WebSocket. */
export interface Frames {
  /** Readies a socket that is open; what it answers sends the question. */
  ready(socket: WebSocket): Promise<(question: Question) => void>
  /** The answer's text in a frame; `isDone` when it ended. */
  read(frame: string): { readonly text?: string; readonly isDone?: boolean; readonly problem?: string }
}

/** `addresses`: where each connection comes from; default: the system's choice. */
export function socketDialect(url: string, frames: Frames, addresses?: () => string): Dialect {
  return {
    async open(): Promise<OpenStream> {
      const { socket, connection } = await openSocket(url, addresses?.())
      const ask = await frames.ready(socket)
      return {
        receivedBytes: () => connection.bytesRead,
        answer: (question, heard) => {
          const answered = readAnswer(socket, frames, heard)
          ask(question)
          return answered
        },
        close: () => socket.close(),
      }
    },
  }
}

async function openSocket(
  url: string,
  localAddress: string | undefined,
): Promise<{ readonly socket: WebSocket; readonly connection: Socket }> {
  const from = localAddress === undefined ? {} : { localAddress }
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false, ...from })
  let connection: Socket | undefined
  socket.once('upgrade', (response) => {
    connection = response.socket
  })
  await once(socket, 'open')
  if (connection === undefined) throw new Error('a socket opened without an upgrade')
  return { socket, connection }
}

function readAnswer(socket: WebSocket, frames: Frames, heard: Heard): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('message', (data) => {
      const atMs = nowMs()
      heard.frame()
      const { text, isDone, problem } = frames.read(String(data))
      if (problem !== undefined) reject(new Error(problem))
      if (text !== undefined) heard.text(text, atMs)
      if (isDone) resolve()
    })
    socket.once('close', () => reject(new Error('the socket closed before the answer ended')))
  })
}

/** Of the minimal relay, `load/peers/naive-relay.mjs`. */
export function relayDialect(url: string): Dialect {
  return socketDialect(url, {
    async ready(socket) {
      return ({ model, content }) => socket.send(JSON.stringify({ model, content }))
    },
    read(frame) {
      const { type, text } = JSON.parse(frame)
      return type === 'done' ? { isDone: true } : { text }
    },
  })
}

/** `tokens`: one for each stream, so that each has a subject of its own. */
export function sluiceDialect(url: string, tokens: () => string, addresses?: () => string): Dialect {
  return socketDialect(url, sluiceFrames(tokens), addresses)
}

export function sluiceFrames(tokens: () => string): Frames {
  return {
    async ready(socket) {
      socket.send(JSON.stringify({ type: 'hello', token: tokens() }))
      socket.send(JSON.stringify({ type: 'session.open', id: 'o' }))
      const session = await openedSession(socket)
      return (question) => sendMessage(socket, session, question)
    },
    read(frame) {
      const { type, text, message } = JSON.parse(frame)
      if (type === 'turn.delta') return { text }
      if (type === 'turn.completed') return { isDone: true }
      return type === 'turn.failed' || type === 'error' ? { problem: message ?? frame } : {}
    },
  }
}

export function sendMessage(socket: WebSocket, session: string, { content, model }: Question): void {
  socket.send(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content, model }))
}

export function openedSession(socket: WebSocket): Promise<string> {
  return new Promise((resolve) => {
    socket.on('message', function opened(data) {
      const frame = JSON.parse(String(data))
      if (frame.type !== 'session.opened') return
      socket.off('message', opened)
      resolve(frame.session)
    })
  })
}
