import { expect, it } from 'vitest'
import { takeOver } from '../../orchestrator/take-over.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import { asking, leaseMs, session } from '../sessions/contract/bench.ts'

/** A real store with a clock of its own, and waits that end when it has moved on by as much. */
async function suspected() {
  let nowMs = 1_000
  let breaks = 0
  const log = { ...createMemoryLog({ now: () => nowMs }), breaks: () => breaks }
  await log.create({ session, owner: { tenant: 't', subject: 's' }, attributes: {}, timeMs: 1 })
  await log.accept(asking(1))
  nowMs += leaseMs
  const waits: number[] = []
  const clock = {
    after(ms: number, run: () => void) {
      waits.push(ms)
      nowMs += ms
      queueMicrotask(run)
      return () => undefined
    },
  }
  return {
    log,
    clock,
    waits,
    breakLink: () => {
      breaks += 1
    },
  }
}

const claim = { session, turn: 'turn-1', token: 'b', leaseMs }

it('[TURN-37] a lapsed lease is taken a grace after it was seen', async () => {
  const { log, clock, waits } = await suspected()
  expect(await takeOver(claim, { log, clock })).toMatchObject({ kind: 'yours', turn: 'turn-1' })
  expect(waits.length).toBe(1)
})

it('[TURN-37] a way to the store that broke in between begins the suspicion anew, though nothing was asked', async () => {
  const { log, clock, waits, breakLink } = await suspected()
  const flapping = {
    after(ms: number, run: () => void) {
      if (waits.length === 0) breakLink()
      return clock.after(ms, run)
    },
  }
  expect(await takeOver(claim, { log, clock: flapping })).toMatchObject({ kind: 'yours' })
  expect(waits.length).toBe(2)
})
