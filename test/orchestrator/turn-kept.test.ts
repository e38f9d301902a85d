import { describe, expect, it } from 'vitest'
import { startTurn, stepTurn, wakeAtMs } from '../../orchestrator/turn.ts'
import {
  failed,
  type Step,
  type TurnBounds,
  type TurnEffect,
  type TurnEvent,
  type TurnStart,
} from '../../orchestrator/turn-state.ts'
import { refusal } from '../../protocol/error.ts'

const bounds: TurnBounds = {
  leaseMs: 5_000,
  renewMs: 1_500,
  totalMs: 600_000,
  graceMs: 30_000,
}

const accepted: TurnStart = { from: 'accepted', foreignAttempt: 0, nowMs: 0 }
/** Five bytes of attempt 2 are kept. */
const continuing: TurnStart = { from: 'taken', foreignAttempt: 2, keptBytes: 5, nowMs: 0 }

function run(start: TurnStart, events: readonly TurnEvent[]): Step {
  return events.reduce<Step>(
    ({ state, effects }, event) => {
      const next = stepTurn(state, event, bounds)
      return { state: next.state, effects: [...effects, ...next.effects] }
    },
    startTurn(start, bounds),
  )
}

const called: TurnEvent = { type: 'called', nowMs: 1 }
const ok = (length: number, nowMs = 3): TurnEvent => ({ type: 'appended', nowMs, reply: { kind: 'ok', length } })
const stale: TurnEvent = { type: 'appended', nowMs: 4, reply: { kind: 'stale' } }
const yours: TurnEvent = { type: 'claimed', nowMs: 5, reply: 'yours' }
const finished = (sizeBytes: number): TurnEvent => ({ type: 'finished', nowMs: 6, sizeBytes, finishReason: 'stop' })
const ended = (kind: 'ok' | 'ended', nowMs = 7): TurnEvent => ({ type: 'ended', nowMs, reply: { kind } })
const endStale = (nowMs: number): TurnEvent => ({ type: 'ended', nowMs, reply: { kind: 'stale' } })

function lastAppend({ effects }: Step): Extract<TurnEffect, { type: 'append' }> | undefined {
  return effects.findLast((effect) => effect.type === 'append')
}

describe('a turn that goes on with what a dead producer left', () => {
  it('[TURN-32] opens the next attempt with that much of the one before, and sends it itself from byte 0', () => {
    const step = run(continuing, [called])
    expect(lastAppend(step)).toMatchObject({ attempt: 3, at: 0, opens: true, keep: { attempt: 2, end: 5 } })
    expect(lastAppend(run(continuing, [called, ok(0)]))).toMatchObject({ attempt: 3, at: 0, opens: false })
  })

  it('[TURN-33] keeps nothing in an attempt that the store made it raise', () => {
    const raised: TurnEvent = { type: 'appended', nowMs: 3, reply: { kind: 'attempt', attempt: 6 } }
    const step = run(continuing, [called, raised])
    expect(lastAppend(step)).toMatchObject({ attempt: 7, at: 0, opens: true, keep: undefined })
  })

  it('[TURN-33] keeps nothing when it had to claim again before its attempt was open', () => {
    const step = run(continuing, [called, stale, yours])
    expect(lastAppend(step)).toMatchObject({ attempt: 3, at: 0, opens: true, keep: undefined })
  })

  it('[TURN-33] writes the same record again when the store forgot an attempt that was open', () => {
    const step = run(continuing, [called, ok(0), ok(5), { type: 'nudged', nowMs: 4 }, stale, yours])
    expect(lastAppend(step)).toMatchObject({ attempt: 3, opens: true, keep: { attempt: 2, end: 5 } })
  })

  it('[TURN-34] a turn that is taken over to be ended ends with the text that is there', () => {
    const outcome = failed(refusal('unavailable', 'lost'))
    const start: TurnStart = { from: 'taken-to-end', foreignAttempt: 2, outcome, nowMs: 0 }
    expect(startTurn(start, bounds).effects).toEqual([{ type: 'read', attempt: 2 }])
    const step = run(start, [{ type: 'read', nowMs: 1, sizeBytes: 9 }])
    expect(step.effects.at(-1)).toEqual({ type: 'end', attempt: 2, outcome })
  })
})

describe('an end that the store acknowledged', () => {
  const done = [called, ok(0), finished(0), ended('ok')]

  it('[TURN-35] settles the turn once, is kept for the grace and said again at its end', () => {
    const step = run(accepted, done)
    expect(step.effects.map(({ type }) => type)).toContain('settle')
    expect(step.state.phase).toBe('ending')
    expect(wakeAtMs(step.state)).toBe(7 + bounds.graceMs)
    const last = run(accepted, [...done, { type: 'ticked', nowMs: 7 + bounds.graceMs }])
    expect(last.effects.at(-1)).toMatchObject({ type: 'end', attempt: 1 })
    const over = run(accepted, [...done, { type: 'ticked', nowMs: 7 + bounds.graceMs }, ended('ended', 40_000)])
    expect(over.state).toEqual({ phase: 'done', reason: 'ended' })
    expect(over.effects.filter(({ type }) => type === 'settle').length).toBe(1)
  })

  it('[TURN-35] is said again at a nudge, and made good where the store lost it', () => {
    const nudged: TurnEvent = { type: 'nudged', nowMs: 100 }
    expect(run(accepted, [...done, nudged]).effects.at(-1)).toMatchObject({ type: 'end' })
    const lost = run(accepted, [...done, nudged, endStale(101)])
    expect(lost.effects.at(-1)).toEqual({ type: 'claim' })
    const healed = run(accepted, [...done, nudged, endStale(101), { ...yours, nowMs: 102 }])
    expect(lastAppend(healed)).toMatchObject({ attempt: 1, at: 0, opens: true })
    const again = run(accepted, [
      ...done,
      nudged,
      endStale(101),
      { ...yours, nowMs: 102 },
      ok(0, 103),
      ended('ok', 104),
    ])
    expect(again.state).toMatchObject({ phase: 'ending', untilMs: 7 + bounds.graceMs })
    expect(again.effects.filter(({ type }) => type === 'settle').length).toBe(1)
  })

  it('[TURN-35] renews no lease while it is kept', () => {
    const step = run(accepted, [...done, { type: 'ticked', nowMs: 5_000 }])
    expect(step.effects.at(-1)).not.toMatchObject({ type: 'append' })
  })

  it('[TURN-35] is said again at last until the store answers, though the grace is over', () => {
    const overMs = 7 + bounds.graceMs
    const over: TurnEvent = { type: 'ticked', nowMs: overMs }
    const unknown: TurnEvent = { type: 'unknown', nowMs: overMs + 5, jitterMs: 20 }
    const away = run(accepted, [...done, over, unknown])
    expect(wakeAtMs(away.state)).toBe(overMs + 25)
    const again = stepTurn(away.state, { type: 'ticked', nowMs: overMs + 25 }, bounds)
    expect(again.effects.at(-1)).toMatchObject({ type: 'end', attempt: 1 })
    expect(stepTurn(again.state, ended('ended', overMs + 30), bounds).state.phase).toBe('done')
  })

  it('[TURN-36] is let go at once when asked, after it was said once more', () => {
    const step = run(accepted, [...done, { type: 'let-go', nowMs: 20 }])
    expect(step.effects.at(-1)).toMatchObject({ type: 'end' })
    expect(run(accepted, [...done, { type: 'let-go', nowMs: 20 }, ended('ended', 21)]).state.phase).toBe('done')
  })

  it('[TURN-35] is not kept where the store loses nothing', () => {
    const embedded = { ...bounds, graceMs: 0 }
    const first = startTurn(accepted, embedded)
    const last = done.reduce<Step>(({ state }, event) => stepTurn(state, event, embedded), first)
    expect(last.state).toEqual({ phase: 'done', reason: 'ended' })
  })
})
