/**
 * The turns that this node produces. A turn outlives the socket that asked for it; it ends by itself, by a cancel in the
 * store, or when the node drains.
 */

import type { Refusal } from '../protocol/error.ts'
import { refusal } from '../protocol/error.ts'
import { type AdmissionLimits, createAdmission } from './admission.ts'
import { createAnswerCache } from './answer-cache.ts'
import { awaitEnd } from './await-end.ts'
import { createBacklog } from './backlog.ts'
import type { Ledger } from './budget-port.ts'
import { createSettler } from './budget-settler.ts'
import { watchErasures } from './erasure.ts'
import {
  busyRetryMs,
  busyWaitersMax,
  busyWaitMs,
  drainEndMs,
  settleOnLeaveMs,
  settlingMax,
  unavailableRetryMs,
} from './limits.ts'
import type { Clock } from './ports.ts'
import type { Producer } from './producer.ts'
import {
  type Acceptance,
  acceptMessage,
  type RunOptions,
  type RunPorts,
  runTurn,
  type SendRequest,
  type Work,
} from './run-turn.ts'
import { seekOrphans } from './seek-orphans.ts'
import { createSuspicions } from './take-over.ts'
import { takeTurn } from './taken-turn.ts'

export interface TurnOptions extends RunOptions, AdmissionLimits {
  /** What becomes of a message while another one of its session is answered. */
  readonly whenBusy: 'refuse' | 'wait'
  /** Others take over what runs here when the node leaves; else it is ended. */
  readonly handsOver: boolean
}

export type TurnsPorts = Omit<RunPorts, 'clock' | 'backlog' | 'settler' | 'ledger' | 'cache'> & {
  readonly options: TurnOptions
  readonly ledger: Ledger
  readonly clock?: Clock
}

export type SendReply =
  | { readonly kind: 'accepted'; readonly turn: string; readonly seq: number; readonly isRepeat: boolean }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Turns {
  /** Stores a message and starts its turn. Resolves when the store has it, or with why not. Never rejects. */
  send(request: SendRequest): Promise<SendReply>
  /** Whether a session may be made with this prompt. */
  offersPrompt(name: string): boolean
  /** Somebody met a running turn whose lease has lapsed: after a grace it is taken over, if it still must be. */
  suspect(session: string, turn: string): void
  /** How many turns are produced here. */
  running(): number
  /** Looks for turns whose producer died, on whatever node, until it drains or closes. */
  seek(): void
  /**
   * Admits nothing more, lets running turns end for `forMs` milliseconds, then leaves them to others or ends them as
   * failed, their text kept.
   */
  drain(forMs: number): Promise<void>
  /** Ends at once, and leaves what runs as it is. */
  close(): void
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}

export function createTurns(given: TurnsPorts): Turns {
  const { options } = given
  const backlog = createBacklog()
  const clock = given.clock ?? systemClock
  const settler = createSettler(given.ledger, clock, given.logger)
  const cache = createAnswerCache(clock.monotonicMs, watchErasures(given.log))
  const ports: RunPorts = { ...given, clock, backlog, settler, cache }
  const { telemetry, logger } = ports
  const admission = createAdmission(options)
  const running = createRunning(clock, options.handsOver)
  let isDraining = false
  let seeking: { stop(): void } | undefined
  let waitingCount = 0

  const start = (work: Work) => {
    const { turn } = work.claim
    if (running.has(turn)) return
    runTurn(work, options, ports, (producer) => running.add(turn, producer))
      .catch((error: unknown) =>
        logger.error({ turn, error: error instanceof Error ? error.name : 'thrown' }, 'bug in a turn'),
      )
      .finally(() => running.remove(turn))
  }

  const suspicions = createSuspicions(async (session, turn) => {
    if (running.has(turn)) return
    try {
      const work = await takeTurn(session, turn, options, ports)
      if (work !== undefined && !isDraining) start(work)
    } catch (error) {
      logger.error({ session, turn, error: error instanceof Error ? error.name : typeof error }, 'bug in a take-over')
    }
  })

  const refuse = (error: Refusal): SendReply => {
    telemetry.turnRefused(error.kind)
    return { kind: 'refused', refusal: error }
  }

  /** In `wait` mode a message that is busy is asked again when the answer before it has ended, for a bounded time. */
  const acceptOrWait = async (request: SendRequest): Promise<Acceptance> => {
    const untilMs = clock.monotonicMs() + busyWaitMs
    for (let isAgain = false; ; isAgain = true) {
      const load = { runningCount: running.count(), unacknowledgedBytes: backlog.bytes }
      const acceptance = await acceptMessage(request, isAgain, load, admission, options, ports)
      const isBusy = acceptance.kind === 'busy' || acceptance.kind === 'lapsed'
      const leftMs = untilMs - clock.monotonicMs()
      if (!isBusy || options.whenBusy === 'refuse' || leftMs <= 0 || isDraining) return acceptance
      if (waitingCount >= busyWaitersMax) return acceptance
      waitingCount++
      try {
        await awaitEnd(request.session, leftMs, ports)
      } finally {
        waitingCount--
      }
    }
  }

  const accept = async (request: SendRequest): Promise<SendReply> => {
    const receivedMs = clock.monotonicMs()
    if (isDraining) return refuse(refusal('unavailable', 'this gateway is going away; send again', unavailableRetryMs))
    const acceptance = await acceptOrWait(request)
    if (acceptance.kind === 'lapsed') suspicions.raise(request.session, acceptance.turn)
    if ('refusal' in acceptance) return refuse(acceptance.refusal)
    const { turn, seq } = acceptance
    telemetry.turnAccepted(clock.monotonicMs() - receivedMs, request.replaces !== undefined)
    if (acceptance.kind === 'mine') start(acceptance.work)
    return { kind: 'accepted', turn, seq, isRepeat: acceptance.kind === 'repeat' }
  }

  return {
    async send(request) {
      try {
        return await accept(request)
      } catch (error) {
        const name = error instanceof Error ? error.name : typeof error
        logger.error({ session: request.session, error: name }, 'bug in accepting a message')
        return refuse(refusal('internal', 'the gateway failed to take the message', busyRetryMs))
      }
    },
    offersPrompt: (name) => ports.prompts.has(name),
    suspect: (session, turn) => suspicions.raise(session, turn),
    running: running.count,
    seek() {
      seeking ??= seekOrphans(ports.log, clock, suspicions.raise)
    },
    async drain(forMs) {
      isDraining = true
      seeking?.stop()
      await running.drain(forMs)
      cache.close()
      await settler.close(settleOnLeaveMs)
    },
    close() {
      isDraining = true
      seeking?.stop()
      running.close()
      cache.close()
      void settler.close(0)
    },
  }
}

interface Running {
  has(turn: string): boolean
  count(): number
  add(turn: string, producer: Producer): void
  remove(turn: string): void
  /** Waits `forMs` milliseconds for the last turn, then has the rest handed over or ended as failed, and waits for those. */
  drain(forMs: number): Promise<void>
  close(): void
}

function createRunning(clock: Clock, handsOver: boolean): Running {
  const producers = new Map<string, Producer>()
  /** Ended, and kept for a while. */
  const settling = new Set<Producer>()
  const whenIdle: (() => void)[] = []
  let isLeaving = false
  const end = (producer: Producer) => (handsOver ? void producer.handOver() : producer.fail(leaving))
  const keep = (producer: Producer) => {
    const [oldest] = settling
    if (settling.size >= settlingMax) oldest?.letGo()
    settling.add(producer)
    void producer.gone.then(() => settling.delete(producer))
    if (isLeaving) producer.letGo()
  }
  return {
    has: (turn) => producers.has(turn),
    count: () => producers.size,
    add(turn, producer) {
      producers.set(turn, producer)
      // Accepted while the drain ran out: it is ended like the others.
      if (isLeaving) end(producer)
    },
    remove(turn) {
      const producer = producers.get(turn)
      producers.delete(turn)
      if (producer !== undefined) keep(producer)
      if (producers.size === 0) for (const tell of whenIdle.splice(0)) tell()
    },
    async drain(forMs) {
      if (producers.size > 0) {
        const idle = new Promise<void>((resolve) => whenIdle.push(resolve))
        await within(idle, forMs, clock)
        isLeaving = true
        for (const producer of producers.values()) end(producer)
        if (producers.size > 0) await within(idle, drainEndMs, clock)
      }
      isLeaving = true
      for (const producer of settling) producer.letGo()
      await within(Promise.all([...settling].map((producer) => producer.gone)), drainEndMs, clock)
    },
    close() {
      isLeaving = true
      for (const producer of [...producers.values(), ...settling]) producer.leave()
    },
  }
}

const leaving = refusal('unavailable', 'the gateway is going away; send the message again', unavailableRetryMs)

async function within(done: Promise<unknown>, forMs: number, clock: Clock): Promise<void> {
  let cancel: () => void = () => undefined
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(forMs, resolve)
  })
  await Promise.race([done, late])
  cancel()
}
