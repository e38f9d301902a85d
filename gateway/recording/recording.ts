/**
 * The shape of live sessions, for `sluice load` to replay: when sockets came and went, who watched what, how long messages
 * and answers were, how turns ended. One JSON object a line. Sockets and sessions are numbers that mean nothing outside;
 * no subject, no id, and no text but the users' messages where those were asked for.
 *
 * It must not slow what it watches: lines go out in batches, above a bound of held ones they are dropped and counted
 * (`LineOutput`), and a recording that is as long as it may be ends.
 */
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { TerminalRecord } from '../../protocol/record.ts'
import type { RecordingConfig } from '../config/shape.ts'
import { LineOutput } from '../telemetry/line-output.ts'
import type { Log } from '../telemetry/ports.ts'
import { numberedMax } from './limits.ts'

export const recordingFormat = 'sluice-recording'
export const recordingVersion = 1

export interface RecordedMessage {
  readonly session: string
  readonly turn: string
  readonly model: string | undefined
  readonly content: string
}

type Settings = Extract<RecordingConfig, { kind: 'on' }>

/** Undefined where nothing is recorded. Throws, with what to do, when the file cannot be made. */
export function openRecording(config: RecordingConfig, log: Log, nowMs: () => number): Recording | undefined {
  if (config.kind === 'off') return undefined
  const started = new Date(nowMs()).toISOString().replaceAll(/[:.]/g, '-')
  const file = join(config.dir, `${started}-${hostname()}-${process.pid}.jsonl`)
  try {
    mkdirSync(config.dir, { recursive: true })
    const fd = openSync(file, 'wx', ownerOnly)
    log.info({ file, withText: config.withText }, 'sessions are recorded')
    return new Recording(fd, config, log, nowMs)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`unable to record to SLUICE_RECORD_DIR: ${why}. Name a folder that may be written, or unset it`)
  }
}

const ownerOnly = 0o600

export class Recording {
  readonly #fd: number
  readonly #settings: Settings
  readonly #output: LineOutput
  readonly #log: Log
  readonly #nowMs: () => number
  readonly #startedMs: number
  readonly #sockets = new Numbers()
  readonly #sessions = new Numbers()
  /** By turn, when its message was accepted; one that ends on another node stays until it is the oldest of too many. */
  readonly #asked = new Map<string, number>()
  #bytes = 0
  #isOver = false

  constructor(fd: number, settings: Settings, log: Log, nowMs: () => number) {
    this.#fd = fd
    this.#settings = settings
    this.#log = log
    this.#nowMs = nowMs
    this.#startedMs = nowMs()
    const dropped = (lineCount: number) => this.#write('dropped', { lineCount })
    this.#output = new LineOutput(fd, dropped, (error) => {
      this.#isOver = true
      log.warn({ err: error }, 'the recording cannot be written any more, and ends')
    })
    this.#line({ format: recordingFormat, version: recordingVersion, startedMs: this.#startedMs })
  }

  socketOpened(connection: string): void {
    this.#write('socket.opened', { socket: this.#sockets.of(connection) })
  }

  socketClosed(connection: string, code: number): void {
    this.#write('socket.closed', { socket: this.#sockets.of(connection), code })
    this.#sockets.forget(connection)
  }

  /** A socket watches a session from now on. */
  watched(connection: string, session: string): void {
    this.#write('session.opened', { socket: this.#sockets.of(connection), session: this.#sessions.of(session) })
  }

  message({ session, turn, model, content }: RecordedMessage): void {
    this.#asked.set(turn, this.#nowMs())
    forgetOldest(this.#asked)
    this.#write('message', {
      session: this.#sessions.of(session),
      ...(model === undefined ? {} : { model }),
      contentBytes: Buffer.byteLength(content),
      ...(this.#settings.withText && { content }),
    })
  }

  cancelled(session: string, turn: string): void {
    this.#write('cancel', { session: this.#sessions.of(session), afterMs: this.#sinceAsked(turn) })
  }

  ended(session: string, { type, turn, bytes, usage }: Omit<TerminalRecord, 'seq' | 'mark'>): void {
    const { outputTokens } = usage
    const ms = this.#sinceAsked(turn)
    this.#asked.delete(turn)
    this.#write('turn.ended', { session: this.#sessions.of(session), end: type, bytes, outputTokens, ms })
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#output.close()
    closeSync(this.#fd)
  }

  /** Absent for a turn that another node accepted. */
  #sinceAsked(turn: string): number | undefined {
    const askedMs = this.#asked.get(turn)
    return askedMs === undefined ? undefined : this.#nowMs() - askedMs
  }

  #write(type: string, fields: object): void {
    if (this.#isOver) return
    if (this.#bytes < this.#settings.maxBytes)
      return this.#line({ atMs: this.#nowMs() - this.#startedMs, type, ...fields })
    this.#isOver = true
    this.#log.warn({ bytes: this.#bytes }, 'the recording is as long as SLUICE_RECORD_BYTES allows, and ends')
  }

  #line(value: object): void {
    const line = `${JSON.stringify(value)}\n`
    this.#bytes += Buffer.byteLength(line)
    this.#output.write(line)
  }
}

/** Small numbers for ids, the same for the same id as long as it is among the latest. */
class Numbers {
  readonly #numbers = new Map<string, number>()
  #last = 0

  of(id: string): number {
    const known = this.#numbers.get(id)
    if (known !== undefined) return known
    this.#last++
    this.#numbers.set(id, this.#last)
    forgetOldest(this.#numbers)
    return this.#last
  }

  forget(id: string): void {
    this.#numbers.delete(id)
  }
}

function forgetOldest(map: Map<string, number>): void {
  const [oldest] = map.keys()
  if (map.size > numberedMax && oldest !== undefined) map.delete(oldest)
}
