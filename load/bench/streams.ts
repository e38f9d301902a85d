import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { WebSocket } from 'ws'

/** What one round of streams told. */
export interface Round {
  readonly tokenCount: number
  /** From the provider's write to the client's read, in milliseconds. */
  readonly p50Ms: number
  readonly p99Ms: number
}

/** How a server is asked, and which part of what it sends is text. */
export interface Dialect {
  /** Readies a socket, then asks. Resolves when the question is sent. */
  ask(socket: WebSocket, content: string, model: string): Promise<void>
  /** The answer's text in a frame; `done` when it ended. */
  read(frame: string): { readonly text?: string; readonly isDone?: boolean; readonly problem?: string }
}

const tokenLength = '0000000000000.000 '.length

export interface Streams {
  readonly streamCount: number
  readonly tokensEach: number
  readonly deadlineMs: number
  /** The streams begin evenly spread over this time; default 0, all at once. */
  readonly spreadMs?: number
  /** A line for the model server in each question, as `[[tokens=30]]`; default none. */
  readonly directive?: string
}

/** Sockets that each ask the model `bench` once for tokens that say when they were sent. */
export async function runStreams(
  url: string,
  dialect: Dialect,
  { streamCount, tokensEach, deadlineMs, spreadMs = 0, directive = '' }: Streams,
): Promise<Round> {
  const latency = createHistogram()
  const streams = Array.from({ length: streamCount }, async (_, n) => {
    await setTimeout((spreadMs * n) / streamCount)
    return runStream(url, dialect, `stream ${n}\n${directive}`, latency)
  })
  const counts = await within(Promise.all(streams), deadlineMs)
  const tokenCount = counts.reduce((sum, count) => sum + count, 0)
  if (tokenCount !== streamCount * tokensEach)
    throw new Error(`${tokenCount} tokens came, not ${streamCount * tokensEach}`)
  return { tokenCount, p50Ms: latency.percentile(50) / 1e6, p99Ms: latency.percentile(99) / 1e6 }
}

async function runStream(
  url: string,
  dialect: Dialect,
  content: string,
  latency: RecordableHistogram,
): Promise<number> {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  let text = ''
  let count = 0
  const done = new Promise<void>((resolve, reject) => {
    socket.on('message', (data) => {
      const nowMs = performance.timeOrigin + performance.now()
      const read = dialect.read(String(data))
      if (read.problem !== undefined) reject(new Error(read.problem))
      text += read.text ?? ''
      while (text.length >= tokenLength) {
        count++
        const ms = nowMs - Number(text.slice(0, tokenLength))
        latency.record(Math.max(1, Math.round(ms * 1e6)))
        text = text.slice(tokenLength)
      }
      if (read.isDone) resolve()
    })
    socket.on('close', () => reject(new Error('the socket closed before the answer ended')))
  })
  await dialect.ask(socket, content, 'bench')
  await done
  socket.removeAllListeners('close')
  socket.close()
  return count
}

async function within<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
  const ended = new AbortController()
  const late = setTimeout(deadlineMs, undefined, { signal: ended.signal }).then(() => {
    throw new Error(`the streams did not end within ${deadlineMs} ms`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    ended.abort()
    late.catch(() => undefined)
  }
}

export const naiveDialect: Dialect = {
  async ask(socket, content, model) {
    socket.send(JSON.stringify({ model, content }))
  },
  read(frame) {
    const { type, text } = JSON.parse(frame)
    return type === 'done' ? { isDone: true } : { text }
  },
}

/** `tokens`: one for each stream, so that each has a subject of its own. */
export function sluiceDialect(tokens: () => string): Dialect {
  return {
    async ask(socket, content, model) {
      socket.send(JSON.stringify({ type: 'hello', token: tokens() }))
      socket.send(JSON.stringify({ type: 'session.open', id: 'o' }))
      const session = await openedSession(socket)
      socket.send(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content, model }))
    },
    read(frame) {
      const { type, text, message } = JSON.parse(frame)
      if (type === 'turn.delta') return { text }
      if (type === 'turn.completed') return { isDone: true }
      return type === 'turn.failed' || type === 'error' ? { problem: message ?? frame } : {}
    },
  }
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
