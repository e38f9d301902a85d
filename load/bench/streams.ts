import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { percentile } from './figures.ts'

/** How a server is asked and read, whatever it speaks. */
export interface Dialect {
  /** Connects as far as it can before a question: what follows is the question's own cost. */
  open(): Promise<OpenStream>
}

export interface OpenStream {
  /** All that the connection has received so far, in bytes, with the framing of WebSocket or HTTP. */
  receivedBytes(): number
  /** Asks, once. Resolves when the whole answer was heard, rejects if it fails. */
  answer(question: Question, heard: Heard): Promise<void>
  close(): void
}

export interface Question {
  readonly content: string
  readonly model: string
}

/** What is told while an answer is read. */
export interface Heard {
  /** A WebSocket message or a server-sent event came, with text or not. */
  frame(): void
  /** Some of the answer's text, in a frame that was received at `atMs`, in milliseconds since 1970. */
  text(text: string, atMs: number): void
}

/** What one round of streams told. Times are in milliseconds. */
export interface Round {
  readonly tokenCount: number
  /** From the provider's write of a token to the client's read. */
  readonly p50Ms: number
  readonly p99Ms: number
  /** From the question's sending to the first text. */
  readonly firstP50Ms: number
  readonly firstP99Ms: number
  /** From the question on: frames that came, and bytes that the connections brought. */
  readonly frameCount: number
  readonly byteCount: number
}

export interface Streams {
  readonly streamCount: number
  readonly tokensEach: number
  readonly deadlineMs: number
  /** The streams begin evenly spread over this time; default 0, all at once. */
  readonly spreadMs?: number
  /** A line for the model server in each question, as `[[tokens=30]]`; default none. */
  readonly directive?: string
}

/** Streams that each ask the model `bench` once for tokens that say when they were sent (the model server's `clock`). */
export async function runStreams(
  dialect: Dialect,
  { streamCount, tokensEach, deadlineMs, spreadMs = 0, directive = '' }: Streams,
): Promise<Round> {
  const latency = createHistogram()
  const streams = Array.from({ length: streamCount }, async (_, n) => {
    await setTimeout((spreadMs * n) / streamCount)
    return runStream(dialect, { content: `stream ${n}\n${directive}`, model: 'bench' }, latency)
  })
  const heard = await within(Promise.all(streams), deadlineMs)
  const tokenCount = sum(heard.map((stream) => stream.tokenCount))
  if (tokenCount !== streamCount * tokensEach)
    throw new Error(`${tokenCount} tokens came, not ${streamCount * tokensEach}`)
  const firstMs = heard.map((stream) => stream.firstMs)
  return {
    tokenCount,
    p50Ms: latency.percentile(50) / 1e6,
    p99Ms: latency.percentile(99) / 1e6,
    firstP50Ms: percentile(firstMs, 0.5),
    firstP99Ms: percentile(firstMs, 0.99),
    frameCount: sum(heard.map((stream) => stream.frameCount)),
    byteCount: sum(heard.map((stream) => stream.byteCount)),
  }
}

interface HeardStream {
  readonly tokenCount: number
  readonly firstMs: number
  readonly frameCount: number
  readonly byteCount: number
}

/** One stream: its tokens' latencies go into `latency`, in nanoseconds. Rejects when it breaks or is refused. */
export async function runStream(
  dialect: Dialect,
  question: Question,
  latency: RecordableHistogram,
): Promise<HeardStream> {
  const stream = await dialect.open()
  try {
    const clock = new ClockReader(latency)
    const bytesBefore = stream.receivedBytes()
    const askedMs = nowMs()
    await stream.answer(question, clock)
    const byteCount = stream.receivedBytes() - bytesBefore
    const { tokenCount, frameCount } = clock
    return { tokenCount, frameCount, byteCount, firstMs: clock.firstAtMs - askedMs }
  } finally {
    stream.close()
  }
}

/** Milliseconds since 1970, with the fraction that `Date.now` lacks: the clock of the model server's tokens. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now()
}

const tokenLength = '0000000000000.000 '.length

/** Takes the text apart into tokens, each of which is the time of its sending. A token may come in several pieces. */
class ClockReader implements Heard {
  tokenCount = 0
  frameCount = 0
  firstAtMs = Number.NaN
  readonly #latency: RecordableHistogram
  #text = ''

  constructor(latency: RecordableHistogram) {
    this.#latency = latency
  }

  frame(): void {
    this.frameCount++
  }

  text(text: string, atMs: number): void {
    if (Number.isNaN(this.firstAtMs)) this.firstAtMs = atMs
    this.#text += text
    while (this.#text.length >= tokenLength) {
      this.tokenCount++
      const ms = atMs - Number(this.#text.slice(0, tokenLength))
      this.#latency.record(Math.max(1, Math.round(ms * 1e6)))
      this.#text = this.#text.slice(tokenLength)
    }
  }
}

export async function within<T>(work: Promise<T>, deadlineMs: number): Promise<T> {
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
