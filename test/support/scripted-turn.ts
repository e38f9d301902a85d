import { createHash, randomUUID } from 'node:crypto'
import type { SessionLog } from '../../sessions/session-log.ts'

/** A producer that does what a test says, through the store's real operations. */
export class ScriptedTurn {
  readonly turn: string
  readonly token = randomUUID()
  attempt = 0
  text = ''
  readonly #log: SessionLog
  readonly #session: string

  private constructor(log: SessionLog, session: string, turn: string) {
    this.#log = log
    this.#session = session
    this.turn = turn
  }

  static async accepted(log: SessionLog, session: string, turn: string): Promise<ScriptedTurn> {
    const made = new ScriptedTurn(log, session, turn)
    const record = {
      type: 'message.added' as const,
      timeMs: 1,
      turn,
      message: { messageId: `m-${turn}`, content: `asks ${turn}` },
    }
    const reply = await log.accept({
      session,
      messageId: `m-${turn}`,
      hash: 'h',
      turn,
      token: made.token,
      leaseMs: 60_000,
      record,
    })
    if (reply.kind !== 'yours') throw new Error(`accept: ${reply.kind}`)
    return made
  }

  /** Another producer of a turn whose lease lapsed by the store's clock. */
  static async takenOver(log: SessionLog, session: string, from: ScriptedTurn): Promise<ScriptedTurn> {
    const made = new ScriptedTurn(log, session, from.turn)
    const claim = { session, token: made.token, leaseMs: 60_000, turn: from.turn }
    const suspected = await log.takeOver(claim)
    if (suspected.kind !== 'lapsed') throw new Error(`takeOver: ${suspected.kind}`)
    const reply = await log.takeOver({ ...claim, seen: suspected.deadline })
    if (reply.kind !== 'yours') throw new Error(`takeOver: ${reply.kind}`)
    made.attempt = reply.attempt
    made.text = from.text
    return made
  }

  get fence() {
    return { token: this.token, turn: this.turn, attempt: this.attempt }
  }

  /** Opens the next attempt, with the first `keep` bytes of the one before. */
  async open(keep?: number): Promise<void> {
    const before = this.attempt
    this.attempt = before + 1
    const common = { timeMs: 1, turn: this.turn, attempt: this.attempt, model: 'm' }
    const open =
      before === 0
        ? { ...common, type: 'turn.started' as const }
        : {
            ...common,
            type: 'turn.restarted' as const,
            reason: 'test',
            ...(keep === undefined ? {} : { keep: { attempt: before, end: keep } }),
          }
    const kept = keep === undefined ? '' : Buffer.from(this.text).subarray(0, keep).toString()
    this.text = kept
    await this.#append(0, kept, open)
  }

  async write(text: string): Promise<{ readonly at: number; readonly bytes: Buffer }> {
    const at = Buffer.byteLength(this.text)
    this.text += text
    await this.#append(at, text, undefined)
    return { at, bytes: Buffer.from(text) }
  }

  async end(): Promise<void> {
    const bytes = Buffer.from(this.text)
    const reply = await this.#log.end({
      session: this.#session,
      token: this.token,
      turn: this.turn,
      attempt: this.attempt,
      record: {
        type: 'turn.completed',
        timeMs: 1,
        turn: this.turn,
        attempt: this.attempt,
        finishReason: 'stop',
        usage: { inputTokens: 1, outputTokens: 1, source: 'exact' },
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      },
      parts:
        this.attempt === 0 || bytes.length === 0
          ? []
          : [{ bytes: bytes.length, sha1: createHash('sha1').update(bytes).digest('hex') }],
    })
    if (reply.kind !== 'ok') throw new Error(`end: ${JSON.stringify(reply)}`)
  }

  async #append(at: number, text: string, open: Parameters<SessionLog['append']>[0]['open']): Promise<void> {
    const reply = await this.#log.append({
      session: this.#session,
      fence: this.fence,
      part: 0,
      at,
      text: Buffer.from(text),
      leaseMs: 0,
      maxBytes: 1024 * 1024,
      ...(open === undefined ? {} : { open }),
    })
    if (reply.kind !== 'ok') throw new Error(`append: ${JSON.stringify(reply)}`)
  }
}
