import { setMaxListeners } from 'node:events'
import { afterFailureMs, dialAheadMs, socketsPerWorkerMax } from './bounds.ts'
import { pause } from './pauses.ts'
import type { RunPlan } from './plan.ts'
import { type PlannedSession, plannedSessions } from './schedule.ts'
import { parseSlo } from './slo.ts'
import { Tally } from './tally.ts'
import { tokenSource } from './tokens.ts'
import { User } from './user.ts'
import type { World } from './world.ts'

/** One worker's share of a run: every `workers`th session, from the `worker`th on. */
export interface Share {
  readonly worker: number
  readonly workers: number
  /** When the run begins, in milliseconds since 1970: the same for all workers. */
  readonly startsAtMs: number
}

export interface DriverRun {
  readonly tally: Tally
  /** Resolves when all sessions of the share are over. @throws SourceError from the plan's file. */
  readonly done: Promise<void>
  /** Whether sessions waited because this worker had as many sockets as it may. */
  isFull(): boolean
  /** All ends at once; `done` resolves soon. */
  stop(): void
}

/** Runs a share of the plan in this process. */
export function startDriver(plan: RunPlan, share: Share): DriverRun {
  const over = new AbortController()
  const stopped = new AbortController()
  for (const { signal } of [over, stopped]) setMaxListeners(0, signal)
  stopped.signal.addEventListener('abort', () => over.abort())
  const tally = new Tally()
  const now = () => performance.timeOrigin + performance.now() - share.startsAtMs
  const world: World = {
    plan,
    slos: plan.slos.map(parseSlo),
    tally,
    token: tokenSource(plan),
    now,
    over: over.signal,
    stopped: stopped.signal,
  }
  const driver = new Driver(world, share)
  const { durationMs = Number.POSITIVE_INFINITY, graceMs } = plan
  const timers = Number.isFinite(durationMs)
    ? [
        setTimeout(() => over.abort(), durationMs - now()),
        setTimeout(() => stopped.abort(), durationMs + graceMs - now()),
      ]
    : []
  const done = driver.run().finally(() => {
    for (const timer of timers) clearTimeout(timer)
  })
  return { tally, done, isFull: () => driver.isFull, stop: () => stopped.abort() }
}

class Driver {
  readonly #world: World
  readonly #share: Share
  readonly #sessions: AsyncGenerator<PlannedSession>
  readonly #running = new Set<Promise<unknown>>()
  isFull = false

  constructor(world: World, share: Share) {
    this.#world = world
    this.#share = share
    this.#sessions = ownSessions(world.plan, share)
  }

  async run(): Promise<void> {
    await (this.#world.plan.arrivals === 'open' ? this.#openLoop() : this.#closedLoop())
  }

  /** Each session begins at its time, whatever runs already. */
  async #openLoop(): Promise<void> {
    const { now, over, stopped } = this.#world
    for await (const planned of this.#sessions) {
      const { dueMs = 0 } = planned
      await pause(dueMs - dialAheadMs - now(), over)
      // Those whose time was there when the run was stopped count as due.
      if (over.aborted && dueMs > now()) break
      while (this.#running.size >= socketsPerWorkerMax && !stopped.aborted) {
        this.isFull = true
        await Promise.race(this.#running)
      }
      this.#begin(planned)
    }
    await Promise.all(this.#running)
  }

  /** As many sockets as the plan says, each with one session after the other. */
  async #closedLoop(): Promise<void> {
    const { sockets } = this.#world.plan
    const { worker, workers } = this.#share
    const slots = Array.from({ length: sockets }, (_, slot) => slot).filter((slot) => slot % workers === worker)
    await Promise.all(slots.map((slot) => this.#oneSlot(slot)))
  }

  async #oneSlot(slot: number): Promise<void> {
    const { plan, now, over } = this.#world
    await pause((plan.rampMs * slot) / plan.sockets - now(), over)
    while (!over.aborted) {
      const { value: planned, done } = await this.#sessions.next()
      if (done || over.aborted) return
      const isRight = await new User(this.#world, planned).run()
      // Without the pause sessions that fail at once would follow each other as fast as this process can.
      await pause(isRight ? plan.thinkMs : afterFailureMs, over)
    }
  }

  #begin(planned: PlannedSession): void {
    const running = new User(this.#world, planned).run().finally(() => this.#running.delete(running))
    this.#running.add(running)
  }
}

/** The part of all sessions that is this worker's. */
async function* ownSessions(plan: RunPlan, { worker, workers }: Share): AsyncGenerator<PlannedSession> {
  for await (const planned of plannedSessions(plan, { cutCount: 0 })) {
    if (planned.n % workers === worker) yield planned
  }
}
