/**
 * A real turn for tests: the memory log, the provider over a real connection to the scripted model server, and every port
 * of the orchestrator written down in order.
 */
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../load/model-server/server.ts'
import type { Ledger } from '../../orchestrator/budget-port.ts'
import type { Flags } from '../../orchestrator/flags.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import type { Audience, Fence, TurnLog, TurnLogger, TurnTelemetry } from '../../orchestrator/ports.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import type { Prompts } from '../../orchestrator/prompts/prompts.ts'
import type { SendRequest } from '../../orchestrator/run-turn.ts'
import { createTurns, systemClock, type TurnOptions, type Turns } from '../../orchestrator/turns.ts'
import type { LogRecord, TerminalRecord } from '../../protocol/record.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { LogEntry, SessionLog } from '../../sessions/session-log.ts'
import { asking } from '../support/policy.ts'

export const owner = { tenant: 'tenant', subject: 'subject' }

const testOptions: TurnOptions = {
  promptTokens: 8_000,
  tapeBytes: 1024 * 1024,
  leaseMs: 5_000,
  renewMs: 1_500,
  totalMs: 60_000,
  graceMs: 0,
  takeOver: 'restart',
  whenBusy: 'refuse',
  handsOver: false,
  contentBytes: 128 * 1024,
  runningTurnsMax: 10_000,
}

export interface Delivery {
  readonly session: string
  readonly fence: Fence
  readonly at: number
  readonly text: string
}

export interface Bench extends AsyncDisposable {
  readonly log: SessionLog
  readonly model: ModelServer
  readonly turns: Turns
  readonly delivered: Delivery[]
  readonly stopped: string[]
  readonly metrics: unknown[][]
  readonly logs: unknown[][]
  /** Makes a session. */
  session(id?: string): Promise<string>
  request(session: string, content: string, more?: Partial<SendRequest>): SendRequest
  /** The first record of the session that satisfies `is`; waits for it, and says what did come when none does. */
  record<R extends LogRecord>(session: string, is: (record: LogRecord) => record is R, deadlineMs?: number): Promise<R>
  terminal(session: string, turn: string, deadlineMs?: number): Promise<TerminalRecord>
  history(session: string): Promise<readonly LogEntry[]>
}

export interface BenchOptions {
  readonly turns?: Partial<TurnOptions>
  readonly policy?: (policy: Policy) => Policy
  readonly model?: ModelServerOptions
  /** Stands between the turns and the log. */
  readonly between?: (log: SessionLog) => TurnLog
  readonly audience?: Partial<Audience>
  readonly log?: SessionLog
  /** Default: those that are delivered. */
  readonly prompts?: Prompts
  readonly flags?: Flags
  /** Default: one of its own, in memory. */
  readonly ledger?: Ledger
}

export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const log = options.log ?? createMemoryLog()
  const model = await startModelServer(options.model)
  const delivered: Delivery[] = []
  const stopped: string[] = []
  const metrics: unknown[][] = []
  const logs: unknown[][] = []
  const audience: Audience = {
    started: () => undefined,
    delivered: (session, fence, _part, at, text) =>
      void delivered.push({ session, fence, at, text: Buffer.from(text).toString() }),
    stopped: (session) => void stopped.push(session),
    ...options.audience,
  }
  const logger = recorder<TurnLogger>(['info', 'warn', 'error'], logs)
  const answering = asking(model.url, systemClock, logger, options.policy)
  let ids = 0
  const turns = createTurns({
    log: options.between?.(log) ?? log,
    ...answering,
    audience,
    telemetry: recorder<TurnTelemetry>(telemetryNames, metrics),
    logger,
    prompts: options.prompts ?? loadPrompts(new URL('../../prompts', import.meta.url).pathname),
    ...(options.flags && { flags: options.flags }),
    ...(options.ledger && { ledger: options.ledger }),
    randomId: () => `id-${++ids}-${Math.random().toString(36).slice(2)}`,
    options: { ...testOptions, ...options.turns },
  })
  let sessions = 0
  let messages = 0
  const history = async (session: string): Promise<readonly LogEntry[]> => {
    const reply = await log.page({ session, limit: 100 })
    return reply.kind === 'ok' ? reply.entries : []
  }
  const record = async <R extends LogRecord>(
    session: string,
    is: (record: LogRecord) => record is R,
    deadlineMs = 8_000,
  ) => {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, deadlineMs)
    let news = Promise.withResolvers<void>()
    const tell = () => news.resolve()
    const quiet = () => undefined
    const events = { confirmed: tell, lost: quiet, delta: quiet, nudge: quiet, updated: quiet }
    const subscription = log.subscribe(session, { ...events, record: tell, erased: tell })
    const endMs = performance.now() + deadlineMs
    try {
      for (;;) {
        news = Promise.withResolvers<void>()
        const records = (await history(session)).map((entry) => entry.record)
        const found = records.find(is)
        if (found !== undefined) return found
        if (performance.now() >= endMs) throw new Error(`no such record; came: ${JSON.stringify(records)}`)
        await Promise.race([news.promise, late.promise])
      }
    } finally {
      clearTimeout(timer)
      subscription.close()
    }
  }
  return {
    log,
    model,
    turns,
    delivered,
    stopped,
    metrics,
    logs,
    history,
    record,
    async session(id = `session-${++sessions}`) {
      await log.create({ session: id, owner, attributes: {}, timeMs: Date.now() })
      return id
    },
    request: (session, content, more) => ({
      session,
      owner,
      attributes: {},
      messageId: `message-${++messages}`,
      content,
      ...more,
    }),
    terminal: (session, turn, deadlineMs) =>
      record(
        session,
        (one): one is TerminalRecord =>
          (one.type === 'turn.completed' || one.type === 'turn.cancelled' || one.type === 'turn.failed') &&
          one.turn === turn,
        deadlineMs,
      ),
    async [Symbol.asyncDispose]() {
      await turns.drain(0)
      turns.close()
      answering.targets.close()
      await model.close()
      await log.close()
    },
  }
}

const telemetryNames = [
  'turnAccepted',
  'turnRefused',
  'callMade',
  'callPassed',
  'firstContent',
  'callEnded',
  'redacted',
  'budgetRefused',
  'filtered',
  'cacheAsked',
  'firstToken',
  'tokenGap',
  'turnEnded',
  'operationRepeated',
  'attemptOpened',
  'takenOver',
  'stopped',
] as const

/** An object whose methods write down that they were called. */
function recorder<T extends object>(names: readonly (keyof T & string)[], calls: unknown[][]): T {
  const methods = names.map((name) => [name, (...values: unknown[]) => void calls.push([name, ...values])])
  // Every method of T is named, which its caller's type checks.
  return Object.fromEntries(methods) as T
}

/** The text that was shown to watchers, checked to be contiguous. */
export function shown(deliveries: readonly Delivery[], turn: string): string {
  let text = Buffer.alloc(0)
  let attempt = 0
  for (const delivery of deliveries) {
    if (delivery.fence.turn !== turn) continue
    if (delivery.fence.attempt !== attempt) text = Buffer.alloc(0)
    attempt = delivery.fence.attempt
    if (delivery.at !== text.length) throw new Error(`delivered at ${delivery.at}, but ${text.length} bytes were shown`)
    text = Buffer.concat([text, Buffer.from(delivery.text)])
  }
  return text.toString()
}
