import { createHash } from 'node:crypto'
import type { Down } from '../../protocol/down.ts'
import type { LogRecord, NewRecord, TerminalRecord } from '../../protocol/record.ts'
import type { Up, UpOf } from '../../protocol/up.ts'

/**
 * A gateway as pure data, for one subject: sessions, logs, tapes and what each socket was told. It does what DESIGN
 * section 4 says and nothing by itself: the test decides what is written, delivered and lost.
 */
export interface ModelSession {
  readonly id: string
  readonly log: LogRecord[]
  /** Whole texts of ended turns. */
  readonly texts: Map<string, string>
  run: { turn: string; attempt: number; text: string } | undefined
  isErased: boolean
}

interface Watch {
  seq: number
  attempt: number
  end: number
}

export class ModelSocket {
  readonly down: Down[] = []
  readonly watches = new Map<string, Watch>()
  isOpen = true
  isWelcome = false
}

export interface ModelRules {
  /** Texts longer than this come without their text in pages. */
  readonly pageTextBytes: number
  readonly pageRecords: number
}

const encode = (text: string): Buffer => Buffer.from(text, 'utf8')

export class GatewayModel {
  readonly sessions = new Map<string, ModelSession>()
  readonly sockets = new Set<ModelSocket>()
  readonly #byKey = new Map<string, string>()
  readonly #rules: ModelRules
  #count = 0
  #history = 0
  /** Refuse the next messages as `busy` or `unavailable`. */
  refuseNext: 'busy' | 'unavailable' | undefined

  constructor(rules: Partial<ModelRules> = {}) {
    this.#rules = { pageTextBytes: 1 << 20, pageRecords: 50, ...rules }
  }

  receive(socket: ModelSocket, frame: Up): void {
    const say = (answer: Down) => void socket.down.push(answer)
    if (frame.type === 'hello') {
      socket.isWelcome = true
      return say(welcome)
    }
    if (!socket.isWelcome) throw new Error('a frame before hello')
    const session = 'session' in frame ? this.sessions.get(frame.session ?? '') : undefined
    if ('session' in frame && frame.session !== undefined && (session === undefined || session.isErased)) {
      return say({ type: 'error', ref: frame.id, kind: 'not-found', message: 'no such session', retryable: false })
    }
    switch (frame.type) {
      case 'session.open':
        return this.#open(socket, frame, session ?? this.#create(frame.key))
      case 'message.send':
        return session && this.#send(socket, frame, session)
      case 'turn.cancel':
        say({ type: 'turn.cancelling', ref: frame.id, session: frame.session, turn: frame.turn })
        if (session?.run?.turn === frame.turn) this.end(session, 'turn.cancelled')
        return
      case 'turn.read':
        return session && this.#read(socket, frame, session)
      case 'history.get':
        return session && this.#page(socket, frame, session)
      case 'session.delete':
        say({ type: 'session.deleted', ref: frame.id, session: frame.session })
        return session && this.erase(session, 'erased')
      case 'session.close':
        socket.watches.delete(frame.session)
        return say({ type: 'session.closed', ref: frame.id, session: frame.session })
      case 'session.update':
        return say({ type: 'session.updated', ref: frame.id, session: frame.session, metadata: frame.metadata })
      case 'feedback.give':
        if (session) this.#add(session, { type: 'feedback.added', timeMs: 1, turn: frame.turn, rating: frame.rating })
        return
      case 'session.list':
        return say({ type: 'session.page', ref: frame.id, sessions: [] })
      case 'token.refresh':
        return say({ type: 'token.refreshed', ref: frame.id, tokenExpiresAt: 4_000_000 })
      case 'ping':
        return say({ type: 'pong', ref: frame.id })
    }
  }

  /** The producer writes: opens the first attempt if need be. */
  write(session: ModelSession, text: string): void {
    const { run } = session
    if (run === undefined) return
    if (run.attempt === 0) {
      run.attempt = 1
      this.#add(session, { type: 'turn.started', timeMs: 1, turn: run.turn, attempt: 1, model: 'm' })
    }
    run.text += text
  }

  /** Another producer: keeps `share` of the text and goes on differently. */
  restart(session: ModelSession, share: number): void {
    const { run } = session
    if (run === undefined || run.attempt === 0) return
    const kept = [...run.text].slice(0, Math.floor([...run.text].length * share)).join('')
    const keep = kept === '' ? {} : { keep: { attempt: run.attempt, end: encode(kept).length } }
    run.attempt++
    run.text = kept
    const { turn, attempt } = run
    this.#add(session, { type: 'turn.restarted', timeMs: 1, turn, attempt, model: 'm', ...keep, reason: 'test' })
  }

  end(session: ModelSession, type: TerminalRecord['type']): void {
    const { run } = session
    if (run === undefined) return
    session.texts.set(run.turn, run.text)
    const fields = {
      timeMs: 1,
      turn: run.turn,
      attempt: run.attempt,
      finishReason: 'stop',
      usage: { inputTokens: 1, outputTokens: 1, source: 'exact' as const },
      bytes: encode(run.text).length,
      sha256: createHash('sha256').update(run.text).digest('hex'),
    }
    session.run = undefined
    const error = { kind: 'provider' as const, message: 'broke', retryable: true }
    this.#add(session, type === 'turn.failed' ? { type, ...fields, error } : { type, ...fields })
  }

  /** Feedback from another device: a record that makes a hole before it visible. */
  note(session: ModelSession): void {
    const last = session.log.findLast((record) => record.type === 'message.added')
    if (last === undefined) return
    this.#add(session, { type: 'feedback.added', timeMs: 1, turn: last.turn, rating: 1 })
  }

  /** The store went back in time: the last `records` never happened, watchers are told of another history. */
  rollBack(session: ModelSession, records: number): void {
    session.log.splice(Math.max(0, session.log.length - records))
    this.#history++
    session.run = undefined
    for (const record of session.log) {
      if (record.type === 'message.added') session.run = { turn: record.turn, attempt: 0, text: '' }
      else if (record.type === 'turn.started' || record.type === 'turn.restarted') {
        session.run = { turn: record.turn, attempt: record.attempt, text: '' }
      } else if (record.type !== 'feedback.added') session.run = undefined
    }
    if (session.run !== undefined && session.run.attempt > 0) this.restart(session, 0)
    for (const socket of this.sockets) {
      if (socket.watches.has(session.id)) this.#opened(socket, session, undefined, undefined)
    }
  }

  erase(session: ModelSession, reason: 'erased' | 'lost'): void {
    session.isErased = true
    for (const socket of this.sockets) {
      if (socket.watches.delete(session.id)) socket.down.push({ type: 'session.deleted', session: session.id, reason })
    }
  }

  /** Brings every watcher to the present, in frames of at most `frameBytes` of text. */
  publish(frameBytes = 1 << 16): void {
    for (const socket of this.sockets) {
      for (const [id, watch] of socket.watches) {
        const session = this.sessions.get(id)
        if (session !== undefined && socket.isOpen) this.#publishTo(socket, session, watch, frameBytes)
      }
    }
  }

  /** The log with the whole text of each ended turn. */
  turnsOf(session: ModelSession): { messageId: string; state: string; text: string }[] {
    return session.log.flatMap((record) => {
      if (record.type !== 'message.added') return []
      const end = session.log.find(({ type, ...rest }) => type in ended && 'turn' in rest && rest.turn === record.turn)
      const state = end === undefined ? 'running' : (ended[end.type] ?? '')
      const text = end === undefined ? (session.run?.text ?? '') : (session.texts.get(record.turn) ?? '')
      return [{ messageId: record.message.messageId, state, text }]
    })
  }

  #create(key: string | undefined): ModelSession {
    const known = this.sessions.get(this.#byKey.get(key ?? '') ?? '')
    if (known !== undefined) return known
    const id = `S${this.sessions.size + 1}`
    const session: ModelSession = { id, log: [], texts: new Map(), run: undefined, isErased: false }
    this.sessions.set(id, session)
    if (key !== undefined) this.#byKey.set(key, id)
    return session
  }

  #open(socket: ModelSocket, frame: UpOf<'session.open'>, session: ModelSession): void {
    this.#opened(socket, session, frame.id, frame.cursor)
  }

  #opened(
    socket: ModelSocket,
    session: ModelSession,
    ref: string | undefined,
    cursor: UpOf<'session.open'>['cursor'],
  ): void {
    const { log, run } = session
    const known = cursor && (cursor.seq === 0 ? cursor.mark === 0 : log[cursor.seq - 1]?.mark === cursor.mark)
    const { pageRecords } = this.#rules
    const records = known ? log.slice(cursor.seq) : log.slice(-pageRecords)
    const isTheirs = known && run !== undefined && cursor.turn === run.turn && cursor.attempt === run.attempt
    const length = encode(run?.text ?? '').length
    const end = isTheirs ? Math.min(cursor.ends?.[0] ?? 0, length) : 0
    socket.watches.set(session.id, { seq: log.length, attempt: run?.attempt ?? 0, end })
    const state = run?.attempt === 0 ? ('pending' as const) : ('streaming' as const)
    const turn = run && { turn: { turn: run.turn, attempt: run.attempt, state, ends: [end] } }
    socket.down.push({
      type: 'session.opened',
      ...(ref === undefined ? {} : { ref }),
      session: session.id,
      seq: log.length,
      mark: log.at(-1)?.mark ?? 0,
      reset: !known && (cursor !== undefined || ref === undefined),
      records: records.map((record) => this.#paged(session, record)),
      hasMore: records.length < log.length,
      ...turn,
      createdMs: 1,
    })
  }

  #paged(session: ModelSession, record: LogRecord): LogRecord {
    if (!(record.type in ended) || !('turn' in record)) return record
    const text = session.texts.get(record.turn) ?? ''
    // A terminal record, by `ended`.
    return encode(text).length > this.#rules.pageTextBytes ? record : ({ ...record, text } as LogRecord)
  }

  #send(socket: ModelSocket, frame: UpOf<'message.send'>, session: ModelSession): void {
    const { messageId, content, replaces } = frame
    const known = session.log.find(
      (record) => record.type === 'message.added' && record.message.messageId === messageId,
    )
    if (known?.type === 'message.added') return this.#accepted(socket, frame, known.turn, known.seq)
    const refused = this.refuseNext ?? (session.run === undefined ? undefined : 'busy')
    this.refuseNext = undefined
    if (refused !== undefined) {
      const refusal = { kind: refused, message: 'later', retryable: true, retryAfterMs: 200 }
      return void socket.down.push({ type: 'error', ref: frame.id, ...refusal })
    }
    const turn = `T${++this.#count}`
    session.run = { turn, attempt: 0, text: '' }
    const message = { messageId, content }
    const place = replaces === undefined ? {} : { replaces }
    this.#add(session, { type: 'message.added', timeMs: 1, turn, message, ...place })
    this.#accepted(socket, frame, turn, session.log.length)
  }

  #accepted(socket: ModelSocket, { id, session, messageId }: UpOf<'message.send'>, turn: string, seq: number): void {
    socket.down.push({ type: 'message.accepted', ref: id, session, messageId, turn, seq })
  }

  #read(socket: ModelSocket, frame: UpOf<'turn.read'>, session: ModelSession): void {
    const bytes = encode(session.texts.get(frame.turn) ?? '')
    const at = isBoundary(bytes, frame.at) ? frame.at : 0
    const end = boundary(bytes, at + 7)
    const text = bytes.subarray(at, end).toString()
    const { turn, part, id } = frame
    const place = { session: session.id, turn, part, at, end, bytes: bytes.length }
    socket.down.push({ type: 'turn.text', ref: id, ...place, text })
  }

  #page(socket: ModelSocket, frame: UpOf<'history.get'>, session: ModelSession): void {
    const before = session.log.slice(0, (frame.before ?? session.log.length + 1) - 1)
    const records = before
      .slice(-(frame.limit ?? this.#rules.pageRecords))
      .map((record) => this.#paged(session, record))
    const hasMore = records.length < before.length
    socket.down.push({ type: 'history.page', ref: frame.id, session: session.id, records, hasMore })
  }

  #add(session: ModelSession, record: NewRecord): void {
    const seq = session.log.length + 1
    const previous = session.log.at(-1)?.mark ?? 0
    const mark = Number.parseInt(
      createHash('sha1')
        .update(`${previous}|${this.#history}|${JSON.stringify(record)}`)
        .digest('hex')
        .slice(0, 12),
      16,
    )
    // `NewRecord` is a union without the two numbers; the spread gives them back.
    session.log.push({ ...record, seq, mark } as LogRecord)
  }

  #publishTo(socket: ModelSocket, session: ModelSession, watch: Watch, frameBytes: number): void {
    for (const record of session.log.slice(watch.seq)) {
      if (record.type in ended && 'turn' in record) {
        this.#deltas(socket, session, watch, record.turn, session.texts.get(record.turn) ?? '', frameBytes)
      }
      // A record as it is sent live is itself and its session.
      socket.down.push({ ...record, session: session.id } as Down)
      watch.seq = record.seq
      if (record.type === 'turn.started') Object.assign(watch, { attempt: record.attempt, end: 0 })
      if (record.type === 'turn.restarted') {
        const isKept = record.keep?.attempt === watch.attempt
        Object.assign(watch, { attempt: record.attempt, end: isKept ? Math.min(watch.end, record.keep?.end ?? 0) : 0 })
      }
      if (record.type in ended) Object.assign(watch, { attempt: 0, end: 0 })
    }
    const { run } = session
    if (run !== undefined && run.attempt > 0) this.#deltas(socket, session, watch, run.turn, run.text, frameBytes)
  }

  #deltas(
    socket: ModelSocket,
    { id }: ModelSession,
    watch: Watch,
    turn: string,
    text: string,
    frameBytes: number,
  ): void {
    const bytes = encode(text)
    if (watch.attempt === 0) return
    while (watch.end < bytes.length) {
      const at = watch.end
      const end = boundary(bytes, at + frameBytes)
      const piece = bytes.subarray(at, end).toString()
      socket.down.push({ type: 'turn.delta', session: id, turn, attempt: watch.attempt, part: 0, at, end, text: piece })
      watch.end = end
    }
  }
}

const ended: Readonly<Record<string, string>> = {
  'turn.completed': 'completed',
  'turn.cancelled': 'cancelled',
  'turn.failed': 'failed',
}

export const welcome: Down = {
  type: 'welcome',
  protocol: 'sluice.v1',
  connection: 'c1',
  subject: 'ann',
  heartbeatMs: 25_000,
  tokenExpiresAt: 1_000_000_000,
  limits: { frameBytes: 262_144, contentBytes: 131_072, framesPerSecond: 100, watchedSessions: 200, pageRecords: 100 },
}

function isBoundary(bytes: Buffer, at: number): boolean {
  return ((bytes[at] ?? 0) & 0xc0) !== 0x80
}

/** The nearest place not after `at`, and after the character that is there at least. */
function boundary(bytes: Buffer, at: number): number {
  let end = Math.min(at, bytes.length)
  while (!isBoundary(bytes, end)) end--
  if (end > at - 4 || end === bytes.length) return end
  return end
}
