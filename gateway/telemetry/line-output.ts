import { write, writeSync } from 'node:fs'

/**
 * Lines to a file descriptor, without blocking the event loop and without end: one write is in flight, lines that come
 * meanwhile ride in the next, and above a bound they are dropped and counted.
 *
 * Not pino's own SonicBoom, since its `flushSync`, which it also calls as the process exits, repeats a write to a pipe
 * whose reader is gone for ever: `sluice serve | head -1` never ended.
 */
export class LineOutput {
  readonly #fd: number
  readonly #onDropped: (lineCount: number) => void
  readonly #onBroken: (error: Error) => void
  #lines: string[] = []
  #heldLength = 0
  #droppedCount = 0
  #isWriting = false
  /** Nobody will ever read again. */
  #isBroken = false
  #whenIdle: (() => void)[] = []

  /**
   * `onDropped` is called when lines can be written again after some were dropped; `onBroken` once, when nothing can be
   * written any more.
   */
  constructor(fd: number, onDropped: (lineCount: number) => void, onBroken: (error: Error) => void = nothing) {
    this.#fd = fd
    this.#onBroken = onBroken
    this.#onDropped = onDropped
    process.once('exit', this.#atExit)
  }

  write(line: string): void {
    if (this.#isBroken) return
    if (this.#heldLength + line.length > heldMaxLength) {
      this.#droppedCount++
      return
    }
    this.#lines.push(line)
    this.#heldLength += line.length
    if (!this.#isWriting) this.#writeHeld()
  }

  /** Resolves when everything is written, or after `flushMaxMs`. */
  async flush(): Promise<void> {
    if (!this.#isWriting) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, flushMaxMs)
      this.#whenIdle.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  /** What comes later is still written, but not at the exit. */
  close(): Promise<void> {
    process.off('exit', this.#atExit)
    return this.flush()
  }

  #writeHeld(): void {
    const text = this.#takeHeld()
    if (text === '') return this.#idle()
    this.#isWriting = true
    this.#send(Buffer.from(text), text.length)
  }

  #takeHeld(): string {
    const text = this.#lines.join('')
    this.#lines = []
    return text
  }

  #send(bytes: Buffer, length: number): void {
    write(this.#fd, bytes, (error, writtenBytes) => {
      if (error !== null && isFull(error)) return void setTimeout(() => this.#send(bytes, length), againMs).unref()
      if (error !== null) return this.#break(error)
      if (writtenBytes < bytes.length) return this.#send(bytes.subarray(writtenBytes), length)
      this.#heldLength -= length
      this.#writeHeld()
    })
  }

  #idle(): void {
    this.#isWriting = false
    for (const tell of this.#whenIdle.splice(0)) tell()
    const lineCount = this.#droppedCount
    this.#droppedCount = 0
    if (lineCount > 0) this.#onDropped(lineCount)
  }

  #break(error: Error): void {
    this.#isBroken = true
    this.#lines = []
    this.#heldLength = 0
    this.#droppedCount = 0
    this.#idle()
    this.#onBroken(error)
  }

  /** Last words, by a process that ends without `close`: one try, since there is no time to wait in. */
  readonly #atExit = (): void => {
    const text = this.#takeHeld()
    if (text === '' || this.#isBroken) return
    try {
      let bytes = Buffer.from(text)
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#fd, bytes))
    } catch {
      // There is nowhere left to tell it.
    }
  }
}

/** What is held while nobody reads, in UTF-16 units. */
const heldMaxLength = 8 * 1024 * 1024
/** How long a flush waits for the reader, and until a full pipe is tried again, in milliseconds. */
const flushMaxMs = 1_000
const againMs = 20

function nothing(): void {
  // There is nowhere left to tell it.
}

function isFull(error: NodeJS.ErrnoException): boolean {
  return error.code === 'EAGAIN' || error.code === 'EBUSY'
}
