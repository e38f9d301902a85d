/**
 * The body of an answer, whatever its headers call it: a stream of events, one whole completion as JSON, or something that
 * is no answer. Who asked for a stream and gets one reads it.
 */
import type { IncomingMessage } from 'node:http'
import { pipeline, type Readable, type Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib'
import { type Chunk, readChunk } from './chunk.ts'
import { createEventReader, type EventReader } from './event-reader.ts'

/** The most of one event that is not complete yet, in UTF-16 units; a longer one ends the answer. */
const eventUnits = 8 * 1024 * 1024
/** The longest answer that comes as one piece of JSON, in bytes; a longer one ends the answer. */
const jsonBytes = 8 * 1024 * 1024
/** How far the first character is looked for, in bytes; blanks beyond it are taken for events. */
const blankBytes = 4 * 1024

export interface AnswerBodySink {
  chunk(chunk: Chunk): void
  /** The end marker came, or the answer is one whole completion. */
  done(): void
  /** Something came that says nothing. */
  alive(): void
  /** A piece of the answer is longer than what is kept. */
  tooLong(): void
  /** The body is over. `isProper`: the connection was not broken off. `looks`: what it was, where it was no answer. */
  over(isProper: boolean, looks: 'events' | 'json' | 'html' | 'nothing', error?: Error): void
  /** What the sink itself throws. */
  bug(error: unknown): void
}

/** The body to be read, inflated where its headers say so; `undefined`: in a way that is not known here. */
export function readableBody(message: IncomingMessage): Readable | undefined {
  const coding = (message.headers['content-encoding'] ?? 'identity').trim().toLowerCase()
  if (coding === 'identity' || coding === '') return message
  const decoder = decoderOf(coding)
  // An error is told by the decoder itself.
  return decoder === undefined ? undefined : pipeline(message, decoder, () => undefined)
}

/** What a cut body has so far is told too. */
function decoderOf(coding: string): Transform | undefined {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
    case 'deflate':
      return createInflate({ finishFlush: constants.Z_SYNC_FLUSH })
    case 'br':
      return createBrotliDecompress({ finishFlush: constants.BROTLI_OPERATION_FLUSH })
    case 'zstd':
      return createZstdDecompress({ finishFlush: constants.ZSTD_e_flush })
    default:
      return undefined
  }
}

/** Reads the body to its end; the sink is told synchronously. */
export function readAnswerBody(body: Readable, sink: AnswerBodySink): void {
  const reader = new AnswerBody(sink)
  let isEnded = false
  let failure: Error | undefined
  const guard = (run: () => void): void => {
    try {
      run()
    } catch (error) {
      sink.bug(error)
    }
  }
  body.on('data', (bytes: Buffer) => guard(() => reader.read(bytes)))
  body.on('error', (error) => {
    failure = error
  })
  body.on('end', () => {
    isEnded = true
    guard(() => reader.end())
  })
  body.on('close', () => sink.over(isEnded && failure === undefined, reader.looks, failure))
}

class AnswerBody {
  looks: 'events' | 'json' | 'html' | 'nothing' = 'nothing'
  readonly #sink: AnswerBodySink
  readonly #events: EventReader
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(sink: AnswerBodySink) {
    this.#sink = sink
    this.#events = createEventReader(eventUnits, sink)
  }

  read(bytes: Buffer): void {
    if (this.looks === 'events') return this.#events.read(bytes)
    if (this.looks === 'nothing') return this.#begin(bytes)
    this.#hold(bytes)
    if (this.#heldBytes > jsonBytes) this.#sink.tooLong()
  }

  end(): void {
    if (this.looks === 'nothing' && this.#heldBytes > 0) this.#asEvents()
    if (this.looks === 'events') this.#events.end()
    else if (this.looks === 'json') this.#wholeAnswer(Buffer.concat(this.#held).toString())
  }

  /** The first character that is no blank decides. */
  #begin(bytes: Buffer): void {
    this.#hold(bytes)
    const head = Buffer.concat(this.#held).toString('latin1', 0, blankBytes)
    // The bytes of a mark of byte order (U+FEFF) in UTF-8 are passed over.
    const first = /[^\sï»¿]/.exec(head)?.[0]
    if (first === '{' || first === '[') this.looks = 'json'
    else if (first === '<') this.looks = 'html'
    else if (first !== undefined || this.#heldBytes >= blankBytes) this.#asEvents()
  }

  #asEvents(): void {
    this.looks = 'events'
    const held = Buffer.concat(this.#held)
    this.#held = []
    this.#events.read(held)
  }

  #hold(bytes: Buffer): void {
    // Of a page, which is no answer, nothing is kept.
    if (this.looks === 'html') return
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
  }

  /** One completion; or one event a line, as some send them without the form of events. */
  #wholeAnswer(text: string): void {
    const whole = readChunk(text)
    const chunks = whole.isUnreadable ? text.split('\n').filter((line) => line.trim() !== '') : []
    const all = whole.isUnreadable ? chunks.map((line) => readChunk(line)) : [whole]
    if (all.some((chunk) => chunk.isUnreadable)) return
    const isAnswer = (chunk: Chunk) => chunk.text !== '' || chunk.finishReason !== undefined || chunk.failure
    if (!all.some(isAnswer)) return
    this.looks = 'events'
    for (const chunk of all) this.#sink.chunk(chunk)
    this.#sink.done()
  }
}
