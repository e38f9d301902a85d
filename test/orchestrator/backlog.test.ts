import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Backlog, createBacklog } from '../../orchestrator/backlog.ts'
import type { StopReason, TurnLog } from '../../orchestrator/ports.ts'
import { refusal } from '../../protocol/error.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { type Bench, startBench } from './bench.ts'
import { type Flight, type ScriptedTurn, scriptTurn } from './scripted-turn.ts'

const call = { pause: () => undefined, resume: () => undefined, close: () => undefined }
const away = new Error('the store is away')
const settled = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('the text that the store has not acknowledged', () => {
  it('[TURN-39] is counted for all turns of a node together', async () => {
    const backlog = createBacklog()
    const kept = scriptTurn(backlog, 50)
    expect(backlog.bytes).toBe(50)
    const turn = scriptTurn(backlog)
    turn.producer.called(call)
    turn.producer.text('wörd')
    turn.producer.text('s')
    expect(backlog.bytes).toBe(50 + 6)
    acknowledge(turn)
    await settled()
    expect(backlog.bytes).toBe(50 + 6)
    acknowledge(turn)
    turn.producer.text(' more')
    await settled()
    expect(backlog.bytes).toBe(50 + 5)
    turn.producer.leave()
    expect(backlog.bytes).toBe(50)
    kept.producer.leave()
    expect(backlog.bytes).toBe(0)
  })

  it.each(endings())('[TURN-39] is none when the turn is gone: $name', async ({ reason, end }) => {
    let reachedCount = 0
    const run = async (deeds: readonly Deed[], keptBytes: number) => {
      const backlog = createBacklog()
      const turn = scriptTurn(backlog, keptBytes)
      turn.producer.called(call)
      for (const deed of deeds) {
        await perform(deed, turn)
        expect(backlog.bytes).toBeGreaterThanOrEqual(0)
        expect(backlog.bytes).toBeLessThanOrEqual(400)
        if (turn.isGone()) expect(backlog.bytes).toBe(0)
      }
      const isHeld = backlog.bytes > 0
      await end(turn)
      if (isHeld && turn.stopReason() === reason) reachedCount++
      await afterwards(turn, backlog)
    }
    await fc.assert(fc.asyncProperty(fc.array(anyDeed, { maxLength: 25 }), fc.constantFrom(0, 0, 50), run), {
      numRuns: 100,
    })
    expect(reachedCount).toBeGreaterThan(0)
  })
})

/** Whatever still comes to a turn that is gone changes nothing. */
async function afterwards(turn: ScriptedTurn, backlog: Backlog): Promise<void> {
  await settled()
  expect(turn.isGone()).toBe(true)
  expect(backlog.bytes).toBe(0)
  turn.producer.text('late')
  turn.producer.finish('stop')
  turn.nudge()
  turn.producer.broke(new Error('late'))
  acknowledge(turn)
  await settled()
  expect(backlog.bytes).toBe(0)
}

interface Deed {
  readonly kind: (typeof kinds)[number]
  readonly amount: number
}

const replies = [
  'all',
  'part',
  'rolled back',
  'attempt',
  'cancel',
  'foreign cancel',
  'stale',
  'full',
  'behind',
] as const
const others = ['lose', 'nudge', 'tick', 'pass', 'finish', 'fail', 'break', 'let go'] as const
const kinds = ['text', 'text', 'text', 'all', 'part', 'impossible', ...replies, ...others] as const
const anyDeed: fc.Arbitrary<Deed> = fc.record({ kind: fc.constantFrom(...kinds), amount: fc.nat(500) })

async function perform({ kind, amount }: Deed, turn: ScriptedTurn): Promise<void> {
  const { producer } = turn
  switch (kind) {
    case 'text':
      producer.text('é'.repeat(amount % 60))
      break
    case 'finish':
      producer.finish('stop')
      break
    case 'fail':
      producer.fail(refusal('provider', 'broken'))
      break
    case 'break':
      // Seldom, since little can happen afterwards.
      if (amount % 5 === 0) turn.breakAudience()
      break
    case 'let go':
      producer.letGo()
      break
    case 'nudge':
      turn.nudge()
      break
    case 'tick':
      turn.tick()
      break
    case 'pass':
      turn.pass(amount * 20)
      break
    case 'lose':
      turn.flight()?.lose(away)
      break
    default:
      reply(kind, amount, turn.flight())
  }
  await settled()
}

function reply(kind: Deed['kind'], amount: number, flight: Flight | undefined): void {
  if (flight?.type === 'append') flight.answer(appendReply(kind, amount, flight))
  else if (flight?.type === 'end') flight.answer(endReply(kind, amount))
  else if (flight !== undefined) truth(flight)
}

function appendReply(kind: Deed['kind'], amount: number, { fence, at, end }: Extract<Flight, { type: 'append' }>) {
  switch (kind) {
    case 'part':
      return { kind: 'ok', length: whole(at + (amount % (end - at + 1))) } as const
    case 'rolled back':
      return { kind: 'ok', length: whole(amount % (at + 1)) } as const
    case 'impossible':
      return { kind: 'ok', length: amount % 4 === 0 ? 100_000 : end } as const
    case 'attempt':
      return { kind: 'attempt', attempt: 1 + (amount % 4) } as const
    case 'cancel':
      return { kind: 'cancel', attempt: fence.attempt, length: whole(amount % (end + 1)) } as const
    case 'foreign cancel':
      return { kind: 'cancel', attempt: fence.attempt + 1, length: amount } as const
    case 'stale':
      return { kind: 'stale' } as const
    case 'full':
      return { kind: 'full', length: whole(at + (amount % (end - at + 1))) } as const
    default:
      return { kind: 'ok', length: end } as const
  }
}

/** A store has whole appends, so whole characters, which are of two bytes here. */
function whole(bytes: number): number {
  return bytes - (bytes % 2)
}

function endReply(kind: Deed['kind'], amount: number) {
  if (kind === 'behind') return { kind: 'behind', attempt: amount % 3 } as const
  if (kind === 'cancel') return { kind: 'cancel', attempt: 0, length: 0 } as const
  return kind === 'stale' ? ({ kind: 'stale' } as const) : ({ kind: 'ok' } as const)
}

/** What a store answers that does all that it is asked. */
function truth(flight: Flight): void {
  switch (flight.type) {
    case 'append':
      return flight.answer({ kind: 'ok', length: flight.end })
    case 'end':
      return flight.answer({ kind: 'ok' })
    case 'claim':
      return flight.answer('yours')
    case 'read':
      return flight.answer({ kind: 'ok', at: 0, text: Buffer.from('read'), length: 4 })
  }
}

function acknowledge(turn: ScriptedTurn): void {
  const flight = turn.flight()
  if (flight !== undefined) truth(flight)
}

interface Way {
  readonly name: string
  readonly reason: StopReason
  end(turn: ScriptedTurn): Promise<void> | void
}

/** Every way in which a producer ends. */
function endings(): readonly Way[] {
  return [
    { name: 'ended, its grace over', reason: 'ended', end: (turn) => finished(turn, truth) },
    {
      name: 'ended and let go',
      reason: 'ended',
      async end(turn) {
        turn.producer.finish('stop')
        await answered(turn, truth, () => turn.stopReason() !== undefined)
        turn.producer.letGo()
        await answered(turn, truth)
      },
    },
    { name: 'cancelled', reason: 'ended', end: (turn) => answered(turn, onceCancelled()) },
    { name: 'fenced', reason: 'fenced', end: (turn) => answered(turn, fenced) },
    { name: 'the session is gone', reason: 'gone', end: (turn) => answered(turn, gone) },
    {
      name: 'the store stays away',
      reason: 'store-away',
      end: (turn) => answered(turn, (flight) => flight.lose(away)),
    },
    {
      name: 'handed over',
      reason: 'handed-over',
      end(turn) {
        void turn.producer.handOver()
        // One whose end is known is not handed over.
        turn.producer.leave()
      },
    },
    { name: 'left', reason: 'left', end: (turn) => turn.producer.leave() },
    {
      name: 'two bugs',
      reason: 'bug',
      end(turn) {
        turn.producer.broke(new Error('one'))
        turn.producer.broke(new Error('another'))
      },
    },
    { name: 'a store that knows too much', reason: 'bug', end: (turn) => answered(turn, impossible) },
  ]
}

async function finished(turn: ScriptedTurn, respond: (flight: Flight) => void): Promise<void> {
  turn.producer.finish('stop')
  await answered(turn, respond)
}

/** Answers and lets time pass until the turn is gone, or `isOver`. */
async function answered(
  turn: ScriptedTurn,
  respond: (flight: Flight) => void,
  isOver: () => boolean = turn.isGone,
): Promise<void> {
  for (let count = 0; count < 1_000 && !isOver(); count++) {
    const flight = turn.flight()
    if (flight === undefined) turn.pass(3_000)
    else respond(flight)
    await settled()
  }
}

function onceCancelled(): (flight: Flight) => void {
  let isTold = false
  return (flight) => {
    if (isTold || flight.type !== 'append') return truth(flight)
    isTold = true
    flight.answer({ kind: 'cancel', attempt: flight.fence.attempt, length: flight.at })
  }
}

function fenced(flight: Flight): void {
  if (flight.type === 'claim') flight.answer('others')
  else if (flight.type === 'read') truth(flight)
  else flight.answer({ kind: 'stale' })
}

function gone(flight: Flight): void {
  if (flight.type === 'claim') flight.answer('gone')
  else flight.answer({ kind: 'gone' })
}

function impossible(flight: Flight): void {
  if (flight.type === 'append') flight.answer({ kind: 'ok', length: 100_000 })
  else truth(flight)
}

describe('a node whose store takes no text', () => {
  it('[TURN-40] refuses new messages above its bound, and takes them again when the store does', async () => {
    let isAway = true
    const between = (log: SessionLog): TurnLog => ({
      ...log,
      append: (request) => (isAway ? Promise.reject(away) : log.append(request)),
    })
    const turns = { unacknowledgedNodeBytes: 64 }
    await using bench = await startBench({ between, turns, model: { tokensPerSecond: 0, tokenCount: 100 } })
    expect(await refusalOf(bench)).toMatchObject({ kind: 'not-found' })
    const session = await bench.session()
    const sent = await bench.turns.send(bench.request(session, 'Write much'))
    if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
    await untilRefusedAs(bench, 'unavailable')
    expect(await refusalOf(bench)).toMatchObject({ retryable: true, retryAfterMs: expect.any(Number) })
    isAway = false
    await untilRefusedAs(bench, 'not-found')
    expect(await bench.terminal(session, sent.turn)).toMatchObject({ type: 'turn.completed' })
  })
})

/** Why a message is refused that goes to no session: as `not-found` once it was admitted. */
async function refusalOf(bench: Bench) {
  const reply = await bench.turns.send(bench.request('nowhere', 'Hello'))
  return reply.kind === 'refused' ? reply.refusal : undefined
}

async function untilRefusedAs(bench: Bench, kind: string, deadlineMs = 5_000): Promise<void> {
  const endMs = performance.now() + deadlineMs
  for (;;) {
    const came = await refusalOf(bench)
    if (came?.kind === kind) return
    if (performance.now() > endMs) throw new Error(`refused as ${JSON.stringify(came)}`)
    await settled()
  }
}
