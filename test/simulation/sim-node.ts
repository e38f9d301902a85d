import type { Identity } from '../../gateway/auth/identity.ts'
import { Chat } from '../../gateway/chat.ts'
import { ServedConnection } from '../../gateway/serve-connection.ts'
import { SubjectRate } from '../../gateway/subject-rate.ts'
import type { Socket } from '../../gateway/transport/transport.ts'
import type { Fence } from '../../orchestrator/ports.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import { createTurns, type Turns } from '../../orchestrator/turns.ts'
import type { Feed } from '../../sessions/feed.ts'
import { Feeds } from '../../sessions/feeds.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { asking, testRetry } from '../support/policy.ts'
import { quietTelemetry } from '../support/telemetry.ts'
import { type LinkParts, NodeLink } from './node-link.ts'
import { SimProvider } from './sim-provider.ts'

export const identity: Identity = {
  tenant: 'acme',
  subject: 'ann',
  scopes: new Set(['chat', 'history']),
  expiresAtMs: Number.MAX_SAFE_INTEGER,
}

/** Shorter than an answer: with long leases few histories meet a second producer. */
export const leaseMs = 300

const prompts = loadPrompts(new URL('../../prompts', import.meta.url).pathname)

/** The world's: what is faked of the system's. */
const clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => Date.now(),
  after(delayMs: number, run: () => void) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}

/** A gateway's parts, put together as `gateway/main.ts` does, but for the listener. */
export class SimNode {
  readonly name: string
  readonly link: NodeLink
  readonly provider: SimProvider
  readonly turns: Turns
  readonly feeds: Feeds
  readonly chat: Chat
  readonly connections = new Set<ServedConnection>()
  /** Feeds that somebody watched. */
  readonly watched = new Set<Feed>()
  readonly troubles: unknown[] = []
  isAlive = true

  constructor(name: string, store: SessionLog, parts: LinkParts, plants: NodePlants) {
    this.name = name
    this.link = new NodeLink(store, parts)
    const log = plants.between?.(this.link.log) ?? this.link.log
    this.provider = new SimProvider(parts.chance, parts.nextCall)
    this.feeds = new Feeds(log, {
      checksSilence: parts.plan.repairs,
      onRepair: () => parts.count('repairs'),
      onLapsed: (session, turn) => this.turns.suspect(session, turn),
    })
    const telemetry = quietTelemetry()
    const keep = (fields: object, message: string) => void this.troubles.push({ ...fields, message })
    const audience = {
      started: (session: string, token: string) => this.feeds.producerStarted(session, token),
      delivered: (session: string, fence: Fence, part: number, at: number, text: Uint8Array) =>
        plants.delivered === undefined
          ? this.feeds.delivered(session, fence, part, at, text)
          : plants.delivered(this.feeds, session, fence, part, at, text),
      stopped: (session: string, token: string, isEnded: boolean) =>
        this.feeds.producerStopped(session, token, isEnded),
    }
    const watch = this.feeds.watch.bind(this.feeds)
    this.feeds.watch = async (...asked) => {
      const feed = await watch(...asked)
      if (feed !== undefined) this.watched.add(feed)
      return feed
    }
    this.turns = createTurns({
      log,
      ...asking(this.provider, clock, telemetry.log, (policy) => ({ ...policy, retry: retryOf(parts.plan.takeOver) })),
      audience,
      telemetry: {
        ...telemetry.turns,
        takenOver: (how) => parts.count(`take-over ${how}`),
        turnRefused: (kind) => kind === 'unavailable' && parts.acceptanceUnknown(),
      },
      logger: { info: () => undefined, warn: () => undefined, error: keep },
      prompts,
      randomId: plants.randomId ?? parts.randomId,
      clock,
      options: turnOptions(parts.plan.takeOver),
    })
    this.turns.seek()
    this.chat = new Chat(log, this.turns, Date.now, () => undefined)
  }

  connect(socket: Socket): ServedConnection {
    const telemetry = quietTelemetry()
    const connection = new ServedConnection(
      socket,
      {
        chat: this.chat,
        feeds: this.feeds,
        log: this.link.log,
        telemetry: { ...telemetry.sockets, failed: (_connection, error) => void this.troubles.push(error) },
        subjectRate: new SubjectRate(100_000, () => 1),
        nowMs: Date.now,
        verify: () => Promise.resolve({ kind: 'ok', identity }),
        hasPlace: () => true,
        welcomed: () => undefined,
        closed: (closed) => void this.connections.delete(closed),
        watched: () => undefined,
      },
      {
        connection: 'c',
        contentBytes: 100_000,
        framesPerSecond: 100_000,
        watchedSessions: 10,
        helloDeadlineMs: 60_000,
        heartbeatMs: 1_000_000,
      },
      undefined,
      undefined,
    )
    this.connections.add(connection)
    return connection
  }

  /** Without a word to anybody. */
  kill(): void {
    this.isAlive = false
    this.link.die()
    this.turns.close()
    for (const connection of [...this.connections]) connection.closed(1006)
  }
}

/** What a fault that is planted on purpose changes. */
export interface NodePlants {
  between?(log: SessionLog): SessionLog
  randomId?(): string
  delivered?(feeds: Feeds, session: string, fence: Fence, part: number, at: number, text: Uint8Array): void
}

/** What breaks in the middle is mended as a dead producer's turn is. Nobody waits for a provider in vain: it has no clock. */
function retryOf(afterContent: 'restart' | 'continue' | 'fail') {
  const forever = { totalMs: 10_000_000, connectMs: 1_000_000, firstContentMs: 1_000_000, silenceMs: 1_000_000 }
  return { ...testRetry, ...forever, triesPerTarget: 2, baseMs: 10, maxMs: 100, afterContent, breaks: 2 }
}

function turnOptions(takeOver: 'restart' | 'continue' | 'fail') {
  return {
    promptTokens: 100_000,
    tapeBytes: 1024 * 1024,
    leaseMs,
    renewMs: leaseMs / 3,
    totalMs: 10_000_000,
    graceMs: 30_000,
    takeOver,
    whenBusy: 'refuse',
    handsOver: true,
    contentBytes: 100_000,
    runningTurnsMax: 1_000,
  } as const
}
