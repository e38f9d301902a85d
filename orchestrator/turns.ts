/**
 * The turns that this node produces. A turn outlives the socket that asked for it; it ends by itself, by a cancel in the
 * store, or when the node drains.
 */

import type { Refusal } from '../protocol/error.ts'
import { refusal } from '../protocol/error.ts'
import { type AdmissionLimits, createAdmission } from './admission.ts'
import { busyRetryMs, drainEndMs, unavailableRetryMs } from './limits.ts'
import type { Clock } from './ports.ts'
import type { Producer } from './producer.ts'
import {
  acceptMessage,
  type RunOptions,
  type RunPorts,
  runTurn,
  type SendRequest,
  systemPrompt,
  type Work,
} from './run-turn.ts'
import { createSuspicions, type Taken, takeOver } from './take-over.ts'
import type { ClaimReply } from './turn-state.ts'

export interface TurnOptions extends RunOptions, AdmissionLimits {}

export type TurnsPorts = Omit<RunPorts, 'clock'> & { readonly options: TurnOptions; readonly clock?: Clock }

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
  /** Admits nothing more, lets running turns end for `forMs` milliseconds, then ends them as failed, their text kept. */
  drain(forMs: number): Promise<void>
}

const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}

export function createTurns(given: TurnsPorts): Turns {
  const { options } = given
  const ports: RunPorts = { ...given, clock: given.clock ?? systemClock }
  const { clock, telemetry, logger } = ports
  const admission = createAdmission(options, clock)
  const running = createRunning(clock)
  let isDraining = false

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

  const accept = async (request: SendRequest): Promise<SendReply> => {
    const receivedMs = clock.monotonicMs()
    if (isDraining) return refuse(refusal('unavailable', 'this gateway is going away; send again', unavailableRetryMs))
    const acceptance = await acceptMessage(request, running.count(), admission, options, ports)
    if (acceptance.kind === 'lapsed') suspicions.raise(request.session, acceptance.turn)
    if (acceptance.kind === 'lapsed' || acceptance.kind === 'refused') return refuse(acceptance.refusal)
    const { turn, seq } = acceptance
    telemetry.turnAccepted(clock.monotonicMs() - receivedMs)
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
    drain(forMs) {
      isDraining = true
      return running.drain(forMs)
    },
  }
}

interface Running {
  has(turn: string): boolean
  count(): number
  add(turn: string, producer: Producer): void
  remove(turn: string): void
  /** Waits `forMs` milliseconds for the last turn, then ends the rest as failed, and waits for those. */
  drain(forMs: number): Promise<void>
}

function createRunning(clock: Clock): Running {
  const producers = new Map<string, Producer>()
  const whenIdle: (() => void)[] = []
  let isLeaving = false
  return {
    has: (turn) => producers.has(turn),
    count: () => producers.size,
    add(turn, producer) {
      producers.set(turn, producer)
      // Accepted while the drain ran out: it is ended like the others.
      if (isLeaving) producer.fail(leaving)
    },
    remove(turn) {
      producers.delete(turn)
      if (producers.size === 0) for (const tell of whenIdle.splice(0)) tell()
    },
    async drain(forMs) {
      if (producers.size === 0) {
        isLeaving = true
        return
      }
      const idle = new Promise<void>((resolve) => whenIdle.push(resolve))
      await within(idle, forMs, clock)
      isLeaving = true
      for (const producer of producers.values()) producer.fail(leaving)
      if (producers.size > 0) await within(idle, drainEndMs, clock)
    },
  }
}

const leaving = refusal('unavailable', 'the gateway is going away; send the message again', unavailableRetryMs)

async function within(done: Promise<void>, forMs: number, clock: Clock): Promise<void> {
  let cancel: () => void = () => undefined
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(forMs, resolve)
  })
  await Promise.race([done, late])
  cancel()
}

/** A dead producer's turn, claimed: it is answered again from its message, or ended if it was cancelled. */
async function takeTurn(
  session: string,
  turn: string,
  options: RunOptions,
  ports: RunPorts,
): Promise<Work | undefined> {
  const claim = { session, turn, token: ports.randomId(), leaseMs: options.leaseMs }
  const taken = await takeOver(claim, ports)
  if (taken === 'others' || taken === 'gone') return undefined
  const message = await messageOf(session, taken, ports)
  if (message === undefined) return undefined
  const repeat = async (): Promise<ClaimReply> => {
    const again = await takeOver(claim, ports)
    if (again === 'others' || again === 'gone') return again
    return again.isCancelled ? 'cancelled' : 'yours'
  }
  const from = taken.isCancelled ? 'taken-cancelled' : 'taken'
  const { record, prompt } = message
  return {
    claim: { session, turn, token: claim.token, start: { from, foreignAttempt: taken.attempt }, repeat },
    // A session outlives a prompt that the operator took away; the default one is always there.
    system: systemPrompt(prompt, options, ports) ?? systemPrompt(undefined, options, ports) ?? '',
    content: record.message.content,
    messageSeq: taken.message.seq,
    ...(record.replaces !== undefined && { replaces: record.replaces }),
    ...(record.model !== undefined && { model: record.model }),
  }
}

async function messageOf(session: string, taken: Taken, { log, logger }: RunPorts) {
  const page = await log.page({ session, before: taken.message.seq + 1, limit: 1 }).catch(() => undefined)
  const described = await log.describe(session).catch(() => undefined)
  const record = page?.kind === 'ok' ? page.entries.at(-1)?.record : undefined
  if (record?.type === 'message.added' && record.turn === taken.turn && described?.kind === 'ok')
    return { record, prompt: described.info.prompt }
  // Its lease lapses again, and whoever meets it next tries again.
  logger.warn({ session, turn: taken.turn }, 'took over a turn whose message could not be read')
  return undefined
}
