import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  storeAwayMs,
  unacknowledgedBytes,
  unacknowledgedCloseMs,
  unacknowledgedPauseMs,
} from '../../orchestrator/limits.ts'
import { startTurn, stepTurn, wakeAtMs } from '../../orchestrator/turn.ts'
import {
  cancelled,
  type Step,
  type TurnBounds,
  type TurnEffect,
  type TurnEvent,
  type TurnState,
} from '../../orchestrator/turn-state.ts'
import { refusal } from '../../protocol/error.ts'

const bounds: TurnBounds = {
  leaseMs: 5_000,
  renewMs: 1_500,
  totalMs: 600_000,
  graceMs: 0,
}
const broken = refusal('provider', 'broken')

function run(
  events: readonly TurnEvent[],
  from: 'accepted' | 'taken' | 'taken-cancelled' = 'accepted',
  attempt = 0,
): Step {
  const known = { foreignAttempt: attempt, nowMs: 0 }
  const starts = {
    accepted: { from: 'accepted', ...known },
    taken: { from: 'taken', keptBytes: 0, ...known },
    'taken-cancelled': { from: 'taken-to-end', outcome: cancelled, ...known },
  } as const
  const first = startTurn(starts[from], bounds)
  return events.reduce<Step>(
    ({ state, effects }, event) => {
      const next = stepTurn(state, event, bounds)
      return { state: next.state, effects: [...effects, ...next.effects] }
    },
    { state: first.state, effects: first.effects },
  )
}

const called: TurnEvent = { type: 'called', nowMs: 1 }
const text = (sizeBytes: number, nowMs = 2): TurnEvent => ({ type: 'text', nowMs, sizeBytes })
const ok = (length: number, nowMs = 3): TurnEvent => ({ type: 'appended', nowMs, reply: { kind: 'ok', length } })
const finished = (sizeBytes: number): TurnEvent => ({ type: 'finished', nowMs: 4, sizeBytes, finishReason: 'stop' })
const failedAt = (sizeBytes: number): TurnEvent => ({ type: 'failed', nowMs: 4, sizeBytes, error: broken })
const cancel = (attempt: number, length: number): TurnEvent => ({
  type: 'appended',
  nowMs: 5,
  reply: { kind: 'cancel', attempt, length },
})

const phases = {
  pending: [],
  opening: [called],
  streaming: [called, ok(0)],
  'with text': [called, ok(0), text(5), ok(5)],
  'text in flight': [called, ok(0), text(5)],
  paused: [called, ok(0), text(5), text(6, 20_000), { type: 'ticked', nowMs: 2 + unacknowledgedPauseMs }],
  'ending, unwritten': [called, ok(0), text(5), finished(9)],
  'ending, written': [called, ok(0), text(5), ok(5), finished(5)],
  'ending, failed': [called, ok(0), text(5), ok(5), failedAt(5)],
  'to read': [called, cancel(7, 3)],
  read: [called, cancel(7, 3), { type: 'read', nowMs: 6, sizeBytes: 3 }],
  done: [called, { type: 'appended', nowMs: 3, reply: { kind: 'gone' } }],
} as const satisfies Record<string, readonly TurnEvent[]>

const events = {
  called: { type: 'called', nowMs: 10 },
  text: { type: 'text', nowMs: 10, sizeBytes: 9 },
  overflowed: { type: 'overflowed', nowMs: 10, sizeBytes: 9 },
  finished: { type: 'finished', nowMs: 10, sizeBytes: 9, finishReason: 'stop' },
  failed: { type: 'failed', nowMs: 10, sizeBytes: 9, error: broken },
  'appended ok': { type: 'appended', nowMs: 10, reply: { kind: 'ok', length: 5 } },
  'appended attempt': { type: 'appended', nowMs: 10, reply: { kind: 'attempt', attempt: 3 } },
  'appended cancel': { type: 'appended', nowMs: 10, reply: { kind: 'cancel', attempt: 1, length: 0 } },
  'appended stale': { type: 'appended', nowMs: 10, reply: { kind: 'stale' } },
  'appended full': { type: 'appended', nowMs: 10, reply: { kind: 'full', length: 0 } },
  'appended gone': { type: 'appended', nowMs: 10, reply: { kind: 'gone' } },
  'ended ok': { type: 'ended', nowMs: 10, reply: { kind: 'ok' } },
  'ended behind': { type: 'ended', nowMs: 10, reply: { kind: 'behind', attempt: 1 } },
  'ended cancel': { type: 'ended', nowMs: 10, reply: { kind: 'cancel', attempt: 1, length: 5 } },
  'ended stale': { type: 'ended', nowMs: 10, reply: { kind: 'stale' } },
  'ended gone': { type: 'ended', nowMs: 10, reply: { kind: 'gone' } },
  'claimed yours': { type: 'claimed', nowMs: 10, reply: 'yours' },
  'claimed others': { type: 'claimed', nowMs: 10, reply: 'others' },
  'claimed gone': { type: 'claimed', nowMs: 10, reply: 'gone' },
  read: { type: 'read', nowMs: 10, sizeBytes: 3 },
  unknown: { type: 'unknown', nowMs: 10, jitterMs: 20 },
  nudged: { type: 'nudged', nowMs: 10 },
  ticked: { type: 'ticked', nowMs: 10 },
} as const satisfies Record<string, TurnEvent>

function told(effect: TurnEffect): string {
  switch (effect.type) {
    case 'append':
      return `append@${effect.at}${effect.opens ? `+open${effect.attempt}` : ''}${effect.renews ? '+lease' : ''}`
    case 'end':
      return `end:${effect.outcome.kind}@${effect.attempt}`
    case 'read':
      return `read${effect.attempt}`
    case 'deliver':
      return `deliver-${effect.to}`
    case 'cut':
      return `cut-${effect.to}`
    case 'stop':
      return `stop:${effect.reason}`
    default:
      return effect.type
  }
}

function outcome(before: readonly TurnEvent[], event: TurnEvent): string {
  const { state } = run(before)
  try {
    const next = stepTurn(state, { ...event, nowMs: (before.at(-1)?.nowMs ?? 0) + 1 }, bounds)
    return [next.state.phase, ...next.effects.map(told)].join(' ')
  } catch {
    return 'bug'
  }
}

describe('the turn reducer', () => {
  it('[TURN-2] has a transition for every state and event', () => {
    const table = Object.fromEntries(
      Object.entries(phases).map(([phase, before]) => [
        phase,
        Object.fromEntries(Object.entries(events).map(([name, event]) => [name, outcome(before, event)])),
      ]),
    )
    expect(table).toMatchInlineSnapshot(`
      {
        "done": {
          "appended attempt": "done",
          "appended cancel": "done",
          "appended full": "done",
          "appended gone": "done",
          "appended ok": "done",
          "appended stale": "done",
          "called": "done",
          "claimed gone": "done",
          "claimed others": "done",
          "claimed yours": "done",
          "ended behind": "done",
          "ended cancel": "done",
          "ended gone": "done",
          "ended ok": "done",
          "ended stale": "done",
          "failed": "done",
          "finished": "done",
          "nudged": "done",
          "overflowed": "done",
          "read": "done",
          "text": "done",
          "ticked": "done",
          "unknown": "done",
        },
        "ending, failed": {
          "appended attempt": "ending append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:failed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "ending deliver-5 end:failed@1",
          "appended stale": "ending claim",
          "called": "ending",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "ending append@5+open1+lease",
          "ended behind": "ending append@5+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "ending claim",
          "failed": "ending",
          "finished": "ending",
          "nudged": "ending",
          "overflowed": "ending",
          "read": "ending end:failed@0",
          "text": "ending",
          "ticked": "ending",
          "unknown": "ending",
        },
        "ending, unwritten": {
          "appended attempt": "ending append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "ending deliver-5 append@5",
          "appended stale": "ending claim",
          "called": "ending",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "ending append@0+open1+lease",
          "ended behind": "ending append@0+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "ending claim",
          "failed": "ending",
          "finished": "ending",
          "nudged": "ending",
          "overflowed": "ending",
          "read": "ending end:completed@0",
          "text": "ending",
          "ticked": "ending",
          "unknown": "ending",
        },
        "ending, written": {
          "appended attempt": "ending append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "ending deliver-5 end:completed@1",
          "appended stale": "ending claim",
          "called": "ending",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "ending append@5+open1+lease",
          "ended behind": "ending append@5+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "ending claim",
          "failed": "ending",
          "finished": "ending",
          "nudged": "ending",
          "overflowed": "ending",
          "read": "ending end:completed@0",
          "text": "ending",
          "ticked": "ending",
          "unknown": "ending",
        },
        "opening": {
          "appended attempt": "streaming append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@0",
          "appended gone": "done close stop:gone",
          "appended ok": "bug",
          "appended stale": "streaming claim",
          "called": "streaming",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "streaming append@0+open1+lease",
          "ended behind": "streaming append@0+open1+lease",
          "ended cancel": "bug",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "streaming claim",
          "failed": "ending close",
          "finished": "ending",
          "nudged": "streaming",
          "overflowed": "ending close",
          "read": "streaming",
          "text": "streaming",
          "ticked": "streaming",
          "unknown": "streaming",
        },
        "paused": {
          "appended attempt": "streaming resume append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "streaming deliver-5 resume append@5+lease",
          "appended stale": "streaming claim",
          "called": "streaming",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "streaming append@0+open1+lease",
          "ended behind": "streaming append@0+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "streaming claim",
          "failed": "ending close",
          "finished": "ending",
          "nudged": "streaming",
          "overflowed": "ending close",
          "read": "streaming",
          "text": "streaming",
          "ticked": "streaming",
          "unknown": "streaming",
        },
        "pending": {
          "appended attempt": "pending",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@0",
          "appended gone": "done close stop:gone",
          "appended ok": "bug",
          "appended stale": "pending claim",
          "called": "streaming append@0+open1+lease",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "pending append@0+open1+lease",
          "ended behind": "pending",
          "ended cancel": "bug",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "pending claim",
          "failed": "ending close append@0+open1+lease",
          "finished": "ending append@0+open1+lease",
          "nudged": "pending append@0+open1+lease",
          "overflowed": "ending close append@0+open1+lease",
          "read": "pending",
          "text": "pending",
          "ticked": "pending",
          "unknown": "pending",
        },
        "read": {
          "appended attempt": "ending end:cancelled@3",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:cancelled@0",
          "appended gone": "done close stop:gone",
          "appended ok": "bug",
          "appended stale": "ending claim",
          "called": "ending",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "ending end:cancelled@7",
          "ended behind": "ending read1",
          "ended cancel": "bug",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "ending claim",
          "failed": "ending",
          "finished": "ending",
          "nudged": "ending",
          "overflowed": "ending",
          "read": "ending end:cancelled@7",
          "text": "ending",
          "ticked": "ending",
          "unknown": "ending",
        },
        "streaming": {
          "appended attempt": "streaming append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "bug",
          "appended stale": "streaming claim",
          "called": "streaming",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "streaming append@0+open1+lease",
          "ended behind": "streaming append@0+open1+lease",
          "ended cancel": "bug",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "streaming claim",
          "failed": "ending close append@0",
          "finished": "ending append@0",
          "nudged": "streaming append@0+lease",
          "overflowed": "ending close append@0",
          "read": "streaming",
          "text": "streaming append@0",
          "ticked": "streaming",
          "unknown": "streaming",
        },
        "text in flight": {
          "appended attempt": "streaming append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "streaming deliver-5",
          "appended stale": "streaming claim",
          "called": "streaming",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "streaming append@0+open1+lease",
          "ended behind": "streaming append@0+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "streaming claim",
          "failed": "ending close",
          "finished": "ending",
          "nudged": "streaming",
          "overflowed": "ending close",
          "read": "streaming",
          "text": "streaming",
          "ticked": "streaming",
          "unknown": "streaming",
        },
        "to read": {
          "appended attempt": "ending read3",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 read0",
          "appended gone": "done close stop:gone",
          "appended ok": "bug",
          "appended stale": "ending claim",
          "called": "ending",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "ending read7",
          "ended behind": "ending read1",
          "ended cancel": "bug",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "ending claim",
          "failed": "ending",
          "finished": "ending",
          "nudged": "ending",
          "overflowed": "ending",
          "read": "ending end:cancelled@7",
          "text": "ending",
          "ticked": "ending",
          "unknown": "ending",
        },
        "with text": {
          "appended attempt": "streaming append@0+open4+lease",
          "appended cancel": "ending close cut-0 end:cancelled@1",
          "appended full": "ending close cut-0 end:completed@1",
          "appended gone": "done close stop:gone",
          "appended ok": "streaming deliver-5",
          "appended stale": "streaming claim",
          "called": "streaming",
          "claimed gone": "done close stop:gone",
          "claimed others": "done close stop:fenced",
          "claimed yours": "streaming append@5+open1+lease",
          "ended behind": "streaming append@5+open1+lease",
          "ended cancel": "ending close cut-5 end:cancelled@1",
          "ended gone": "done close stop:gone",
          "ended ok": "done close stop:ended",
          "ended stale": "streaming claim",
          "failed": "ending close append@5",
          "finished": "ending append@5",
          "nudged": "streaming append@5+lease",
          "overflowed": "ending close append@5",
          "read": "streaming",
          "text": "streaming append@5",
          "ticked": "streaming",
          "unknown": "streaming",
        },
      }
    `)
  })

  it('[TURN-3] opens the attempt when the provider is called, without waiting for its first token', () => {
    expect(run([]).effects).toEqual([])
    expect(run([called]).effects.map(told)).toEqual(['append@0+open1+lease'])
  })

  it('[TURN-4] has one operation in flight; what arrives meanwhile rides in the next', () => {
    const { effects } = run([called, text(1), text(2), text(3), ok(0), text(4), ok(3)])
    expect(effects.map(told)).toEqual(['append@0+open1+lease', 'deliver-0', 'append@0', 'deliver-3', 'append@3'])
  })

  it('[TURN-5] goes on from the length that the store names, higher or lower than its own', () => {
    const higher = run([called, text(9), ok(7)])
    expect(higher.effects.map(told).at(-1)).toBe('append@7')
    const lower = run([called, text(9), ok(0), ok(9), text(12), ok(4)])
    expect(lower.effects.map(told).at(-1)).toBe('append@4')
  })

  it('[TURN-5] stops on a length beyond its own text, which is a bug', () => {
    const { state } = run([called, text(9)])
    expect(() => stepTurn(state, ok(10), bounds)).toThrow('the tape has 10 bytes')
  })

  it('[TURN-6] opens a higher attempt from byte 0 when the current one was opened by another', () => {
    const { effects } = run([
      called,
      text(9),
      ok(0),
      ok(9),
      text(12),
      { type: 'appended', nowMs: 5, reply: { kind: 'attempt', attempt: 4 } },
    ])
    expect(effects.map(told).at(-1)).toBe('append@0+open5+lease')
  })

  it('[TURN-6] opens its own attempt again when a roll-back forgot it', () => {
    const { effects } = run([
      called,
      text(9),
      ok(0),
      ok(9),
      text(12),
      { type: 'appended', nowMs: 5, reply: { kind: 'attempt', attempt: 0 } },
    ])
    expect(effects.map(told).at(-1)).toBe('append@0+open1+lease')
  })

  it('[TURN-7] repeats its claim on stale, and goes on or stops by the answer', () => {
    const stale: TurnEvent = { type: 'appended', nowMs: 5, reply: { kind: 'stale' } }
    const before = [called, text(9), ok(0), ok(9), text(12), stale]
    expect(run(before).effects.map(told).at(-1)).toBe('claim')
    const yours = run([...before, { type: 'claimed', nowMs: 6, reply: 'yours' }])
    expect(yours.effects.map(told).at(-1)).toBe('append@9+open1+lease')
    const others = run([...before, { type: 'claimed', nowMs: 6, reply: 'others' }])
    expect(others.effects.map(told).slice(-2)).toEqual(['close', 'stop:fenced'])
  })

  it('[TURN-8] ends with the length it wrote, appends again when the store is behind, then ends again', () => {
    const behind: TurnEvent = { type: 'ended', nowMs: 6, reply: { kind: 'behind', attempt: 1 } }
    const { effects } = run([called, ok(0), text(5), ok(5), finished(5), behind, ok(2), ok(5)])
    expect(effects.map(told).slice(-5)).toEqual([
      'append@5+open1+lease',
      'deliver-2',
      'append@2',
      'deliver-5',
      'end:completed@1',
    ])
  })

  it('[TURN-8] gives up as a bug when the store stays behind', () => {
    const behind: TurnEvent = { type: 'ended', nowMs: 6, reply: { kind: 'behind', attempt: 1 } }
    const circle = Array.from({ length: 9 }, () => [behind, ok(5)]).flat()
    expect(() => run([called, ok(0), text(5), ok(5), finished(5), ...circle])).toThrow('behind 9 times')
  })

  it('[TURN-9] closes the provider at the store’s cancel, cuts to its length and ends cancelled', () => {
    const { effects } = run([called, ok(0), text(5), ok(5), text(9), cancel(1, 5)])
    expect(effects.map(told).slice(-3)).toEqual(['close', 'cut-5', 'end:cancelled@1'])
  })

  it('[TURN-9] a nudge asks the store at once, and trusts only its answer', () => {
    const { effects } = run([called, ok(0), { type: 'nudged', nowMs: 5 }])
    expect(effects.map(told).slice(-1)).toEqual(['append@0+lease'])
  })

  it('[TURN-9] a cancel that meets the end in the store wins over completed', () => {
    const { effects } = run([
      called,
      ok(0),
      text(5),
      ok(5),
      finished(5),
      { type: 'ended', nowMs: 6, reply: { kind: 'cancel', attempt: 1, length: 5 } },
    ])
    expect(effects.map(told).slice(-4)).toEqual(['end:completed@1', 'close', 'cut-5', 'end:cancelled@1'])
  })

  it('[TURN-9] ends another producer’s attempt as it reads it', () => {
    const { effects } = run([], 'taken-cancelled', 2)
    expect(effects.map(told)).toEqual(['read2'])
    const read = run([{ type: 'read', nowMs: 1, sizeBytes: 8 }], 'taken-cancelled', 2)
    expect(read.effects.map(told)).toEqual(['read2', 'end:cancelled@2'])
  })

  it('[TURN-10] repeats an operation of unknown outcome after 10 to 40 ms, later at most eight times that', () => {
    let { state } = run([called])
    const waits: number[] = []
    for (let nowMs = 100; waits.length < 6; nowMs += 500) {
      state = stepTurn(state, { type: 'unknown', nowMs, jitterMs: 20 }, bounds).state
      waits.push(wakeAtMs(state) - nowMs)
      const again = stepTurn(state, { type: 'ticked', nowMs: wakeAtMs(state) }, bounds)
      expect(again.effects.map(told)).toEqual(['append@0+open1+lease'])
      state = again.state
    }
    expect(waits).toEqual([20, 40, 80, 160, 160, 160])
  })

  it('[TURN-10] repeats a renewal of unknown outcome, though there is no text to send', () => {
    const before = [
      called,
      ok(0),
      { type: 'ticked', nowMs: 2_000 },
      { type: 'unknown', nowMs: 2_001, jitterMs: 20 },
    ] as const
    const { state } = run(before)
    expect(wakeAtMs(state)).toBe(2_021)
    expect(stepTurn(state, { type: 'ticked', nowMs: 2_021 }, bounds).effects.map(told)).toEqual(['append@0+lease'])
  })

  it('[TURN-10] forgets the turn when the store stays away', () => {
    const { effects } = run([
      called,
      { type: 'unknown', nowMs: 5, jitterMs: 20 },
      { type: 'ticked', nowMs: 25 },
      { type: 'unknown', nowMs: 5 + storeAwayMs, jitterMs: 20 },
    ])
    expect(effects.map(told).slice(-2)).toEqual(['close', 'stop:store-away'])
  })

  it('[TURN-11] renews the lease in an append that may carry no text', () => {
    const { state } = run([called, ok(0)])
    expect(wakeAtMs(state)).toBe(1 + bounds.renewMs)
    const { effects } = stepTurn(state, { type: 'ticked', nowMs: wakeAtMs(state) }, bounds)
    expect(effects.map(told)).toEqual(['append@0+lease'])
  })

  it('[TURN-12] pauses the provider above the bound of unacknowledged text, and lets it go on', () => {
    const paused = run([called, ok(0), text(10), text(10 + unacknowledgedBytes + 1)])
    expect(paused.effects.map(told).at(-1)).toBe('pause')
    const { state } = paused
    expect(stepTurn(state, ok(unacknowledgedBytes), bounds).effects.map(told)).toContain('resume')
  })

  it('[TURN-12] pauses by time, then closes and fails as unavailable', () => {
    const paused = run([
      called,
      ok(0),
      text(10),
      text(11, 20_000),
      { type: 'ticked', nowMs: 2 + unacknowledgedPauseMs },
    ])
    expect(paused.effects.map(told).at(-1)).toBe('pause')
    const { state, effects } = stepTurn(paused.state, { type: 'ticked', nowMs: 2 + unacknowledgedCloseMs }, bounds)
    expect(effects.map(told)).toEqual(['close'])
    expect(state).toMatchObject({ phase: 'ending', outcome: { kind: 'failed', error: { kind: 'unavailable' } } })
  })

  it.each([
    ['total', [called, ok(0), text(5, bounds.totalMs - 5), ok(5, bounds.totalMs - 4)], bounds.totalMs, 'took longer'],
  ] as const)('[TURN-13] fails after its %s timeout', (_, before, nowMs, message) => {
    const { state } = run(before)
    const early = stepTurn(state, { type: 'ticked', nowMs: nowMs - 1 }, bounds)
    expect(early.state.phase).toBe('streaming')
    const late = stepTurn(state, { type: 'ticked', nowMs }, bounds)
    expect(late.state).toMatchObject({ phase: 'ending', outcome: { kind: 'failed', error: { kind: 'provider' } } })
    expect(JSON.stringify(late.state)).toContain(message)
    expect(late.effects[0]).toEqual({ type: 'close' })
  })

  it.each([
    ['restarts', false, [], 0],
    ['goes on', true, ['append@0+open2+lease'], 5],
  ] as const)(
    '[TURN-41] a break in the middle %s in a new attempt, when the store has all of the old one',
    (_, keeps, __, kept) => {
      const before = run([called, ok(0), text(3), text(5)]).state
      const waiting = stepTurn(before, { type: 'broke', nowMs: 3, keeps }, bounds)
      // The first three bytes are in flight.
      expect(waiting.effects).toEqual([])
      const more = stepTurn(waiting.state, ok(3), bounds)
      expect(more.effects.map(told)).toEqual(['deliver-3', 'append@3'])
      const { state, effects } = stepTurn(more.state, ok(5), bounds)
      expect(effects.map(told)).toEqual(['deliver-5', `cut-${kept}`, 'mended', 'append@0+open2+lease'])
      const keep = keeps ? { attempt: 1, end: 5 } : undefined
      expect(effects.at(-1)).toMatchObject({ attempt: 2, keep })
      expect(stepTurn(state, text(kept + 4), bounds).state).toMatchObject({ store: { sizeBytes: kept + 4 } })
    },
  )

  it('[TURN-41] a cancel, an end and another producer come before the mending', () => {
    const broke = { type: 'broke', nowMs: 3, keeps: true } as const
    const waiting = run([called, ok(0), text(3), broke]).state
    const cancel = { type: 'appended', nowMs: 4, reply: { kind: 'cancel', attempt: 1, length: 3 } } as const
    expect(stepTurn(waiting, cancel, bounds).effects.map(told)).toEqual(['close', 'cut-3', 'end:cancelled@1'])
    const failing = { type: 'failed', nowMs: 4, sizeBytes: 3, error: broken } as const
    const failed = stepTurn(waiting, failing, bounds).state
    expect(stepTurn(failed, ok(3), bounds).effects.map(told)).toEqual(['deliver-3', 'end:failed@1'])
    const stale = stepTurn(waiting, { type: 'appended', nowMs: 4, reply: { kind: 'stale' } }, bounds)
    expect(stale.effects.map(told)).toEqual(['claim'])
  })

  it('[TURN-14] keeps its invariants under any sequence of events', () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 60 }), (choices) => check(choices)),
      { numRuns: 2_000 },
    )
  })
})

/** Makes events that can happen: an answer only to what is in flight, text that only grows, time that goes on. */
type Choice = { readonly kind: string; readonly amount: number; readonly waitMs: number }
const anyEvent: fc.Arbitrary<Choice> = fc.record({
  kind: fc.constantFrom(
    'reply',
    'reply',
    'text',
    'text',
    'text',
    'finished',
    'failed',
    'unknown',
    'nudged',
    'ticked',
    'broke',
    'stale',
    'attempt',
    'cancel',
    'behind',
  ),
  amount: fc.nat(2_000),
  waitMs: fc.oneof(fc.nat(50), fc.nat(40_000)),
})

function check(choices: readonly Choice[]): void {
  let { state } = startTurn({ from: 'accepted', foreignAttempt: 0, nowMs: 0 }, bounds)
  let sizeBytes = 0
  let nowMs = 0
  let flight: TurnEffect | undefined
  const perform = (event: TurnEvent) => {
    const before: TurnState = state
    const step = stepTurn(state, event, bounds)
    state = step.state
    for (const effect of step.effects) {
      expect(before.phase).not.toBe('done')
      if (effect.type === 'cut') sizeBytes = effect.to
      if (effect.type === 'deliver') expect(effect.to).toBeLessThanOrEqual(sizeBytes)
      if (effect.type === 'append') expect(effect.at).toBeLessThanOrEqual(sizeBytes)
      if (effect.type !== 'append' && effect.type !== 'end' && effect.type !== 'claim' && effect.type !== 'read')
        continue
      expect(flight).toBeUndefined()
      flight = effect
    }
    // Whatever happened, something will: an operation is in flight, or a time is set.
    if (state.phase !== 'done') expect(flight !== undefined || Number.isFinite(wakeAtMs(state))).toBe(true)
  }
  perform({ type: 'called', nowMs })
  for (const choice of choices) {
    nowMs += choice.waitMs
    const event = eventOf(choice, flight, sizeBytes, nowMs)
    if (event === undefined) continue
    if (event.type === 'text' && state.phase !== 'streaming') continue
    if (event.type === 'text') sizeBytes = event.sizeBytes
    if (
      event.type === 'appended' ||
      event.type === 'ended' ||
      event.type === 'claimed' ||
      event.type === 'read' ||
      event.type === 'unknown'
    )
      flight = undefined
    perform(event)
  }
}

function eventOf(
  { kind, amount }: Choice,
  flight: TurnEffect | undefined,
  sizeBytes: number,
  nowMs: number,
): TurnEvent | undefined {
  switch (kind) {
    case 'text':
      return { type: 'text', nowMs, sizeBytes: sizeBytes + amount }
    case 'finished':
      return { type: 'finished', nowMs, sizeBytes, finishReason: 'stop' }
    case 'failed':
      return { type: 'failed', nowMs, sizeBytes, error: broken }
    case 'nudged':
      return { type: 'nudged', nowMs }
    case 'ticked':
      return { type: 'ticked', nowMs }
    case 'broke':
      return { type: 'broke', nowMs, keeps: amount % 2 === 0 }
    case 'unknown':
      return flight === undefined ? undefined : { type: 'unknown', nowMs, jitterMs: 20 }
    default:
      return flight === undefined ? undefined : replyOf(kind, amount, flight, sizeBytes, nowMs)
  }
}

function replyOf(
  kind: string,
  amount: number,
  flight: TurnEffect,
  sizeBytes: number,
  nowMs: number,
): TurnEvent | undefined {
  switch (flight.type) {
    case 'append': {
      if (kind === 'stale') return { type: 'appended', nowMs, reply: { kind: 'stale' } }
      if (kind === 'attempt') return { type: 'appended', nowMs, reply: { kind: 'attempt', attempt: amount % 5 } }
      if (kind === 'cancel')
        return {
          type: 'appended',
          nowMs,
          reply: { kind: 'cancel', attempt: amount % 3, length: Math.min(amount, sizeBytes) },
        }
      const length = amount % 3 === 0 ? Math.min(amount, sizeBytes) : sizeBytes
      return { type: 'appended', nowMs, reply: { kind: 'ok', length } }
    }
    case 'end':
      if (kind === 'behind') return { type: 'ended', nowMs, reply: { kind: 'stale' } }
      return { type: 'ended', nowMs, reply: { kind: 'ok' } }
    case 'claim':
      return { type: 'claimed', nowMs, reply: kind === 'stale' ? 'others' : 'yours' }
    case 'read':
      return { type: 'read', nowMs, sizeBytes: amount }
    default:
      return undefined
  }
}
