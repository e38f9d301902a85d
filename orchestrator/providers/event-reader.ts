/**
 * The body of a streamed chat completion: bytes in, in pieces of any size; what its events say out, in order.
 *
 * Most events differ from the one before in the content alone. So the bytes around one event's content are remembered, and
 * an event with the same ones says the same but for that string: it is neither decoded, nor parsed as an event stream, nor
 * as JSON, which together were most of a token's cost after the socket's. Whatever does not fit takes the long way.
 */
import { StringDecoder } from 'node:string_decoder'
import { createParser } from 'eventsource-parser'
import { type Chunk, readChunk } from './chunk.ts'

export interface EventReaderSink {
  chunk(chunk: Chunk): void
  /** The end marker came. */
  done(): void
  /** Something came that says nothing: a comment, an empty event. */
  alive(): void
  /** An event is longer than `maxUnits`, in UTF-16 units, and not complete yet. */
  tooLong(): void
}

export interface EventReader {
  /** Throws what the sink throws; the rest of that piece is lost then. */
  read(bytes: Buffer): void
  /** The body is over: a last event counts also without the blank line that ends it, and one that was cut says nothing. */
  end(): void
}

/** For one body. */
export function createEventReader(maxUnits: number, sink: EventReaderSink): EventReader {
  let known: KnownEvent | undefined
  let learnings = 0
  const decoder = new StringDecoder('utf8')
  const parser = createParser({
    maxBufferSize: maxUnits,
    onEvent({ data, event }) {
      const marker = data.trim()
      if (marker === '[DONE]' || (isEnding && marker.length > 1 && '[DONE]'.startsWith(marker))) return sink.done()
      // A heartbeat of some providers.
      if (marker === '') return sink.alive()
      const chunk = readChunk(data, event)
      if (isEnding && chunk.isUnreadable) return
      if (learnings < learningsMax && isTextAlone(chunk)) {
        learnings++
        known = knownEvent(data)
      }
      sink.chunk(chunk)
    },
    onComment: () => sink.alive(),
    onError(error) {
      if (error.type === 'max-buffer-size-exceeded') sink.tooLong()
    },
  })
  let isBetweenEvents = true
  let isEnding = false
  const read = (bytes: Buffer): void => {
    let at = 0
    if (known !== undefined && isBetweenEvents) {
      for (let end = known.endIn(bytes, 0); end > 0; end = known.endIn(bytes, at)) {
        const text = bytes.toString('utf8', at + known.before.length, end - known.after.length)
        at = end
        sink.chunk({ text })
      }
    }
    if (at === bytes.length) return
    // A blank line ends an event, and no character is open behind it.
    isBetweenEvents =
      bytes.length - at > 1 && bytes[bytes.length - 1] === lineFeed && bytes[bytes.length - 2] === lineFeed
    parser.feed(decoder.write(at === 0 ? bytes : bytes.subarray(at)))
  }
  return {
    read,
    end() {
      isEnding = true
      parser.feed(`${decoder.end()}\n\n`)
    },
  }
}

/** Providers that put something new into every event are not worth more tries. */
const learningsMax = 3

const opening = '"content":"'
const lineFeed = 0x0a
const quote = 0x22
const backslash = 0x5c
const firstPlain = 0x20

/** An event's bytes on the wire, but for its content. */
class KnownEvent {
  readonly before: Buffer
  readonly after: Buffer

  constructor(before: string, after: string) {
    this.before = Buffer.from(`data: ${before}`)
    this.after = Buffer.from(`${after}\n\n`)
  }

  /** Where such an event that begins at `at` ends; 0: there is none, or its content is no plain JSON string (RFC 8259, 7). */
  endIn(bytes: Buffer, at: number): number {
    const { before, after } = this
    const contentAt = at + before.length
    if (contentAt + after.length > bytes.length || !holds(bytes, at, before)) return 0
    let end = contentAt
    for (let byte = bytes[end]; byte !== quote; byte = bytes[++end])
      if (byte === undefined || byte < firstPlain || byte === backslash) return 0
    return holds(bytes, end, after) ? end + after.length : 0
  }
}

function holds(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}

function isTextAlone(chunk: Chunk): boolean {
  const { text, model: _model, id: _id, ...more } = chunk
  return text !== '' && Object.keys(more).length === 0
}

/** Undefined unless the one place found is the one that is read: another string put there must come out. */
function knownEvent(data: string): KnownEvent | undefined {
  const start = data.indexOf(opening) + opening.length
  const end = data.indexOf('"', start)
  if (start < opening.length || end < 0 || data.includes('\n')) return undefined
  const before = data.slice(0, start)
  const after = data.slice(end)
  const probe = readChunk(`${before}probe${after}`)
  return isTextAlone(probe) && probe.text === 'probe' ? new KnownEvent(before, after) : undefined
}
