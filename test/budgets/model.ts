import fc from 'fast-check'
import { expect, test } from 'vitest'
import type {
  Amounts,
  LimitName,
  ReserveReply,
  ReserveRequest,
  Scope,
  ScopeLimits,
  Spending,
} from '../../sessions/budgets/ledger.ts'
import { heldRetryMs, rememberTurnMs } from '../../sessions/budgets/limits.ts'
import { limited, type MakeLedger, reserving, settling } from './bench.ts'

/**
 * Any sequence of reserving, settling, waiting and repeating, against books that keep every turn for ever and count anew
 * each time: nothing in them can drift, leak or be forgotten.
 */

type Step =
  | { readonly do: 'reserve'; readonly turn: number; readonly tokens: number; readonly micros: number }
  | { readonly do: 'settle'; readonly turn: number; readonly used?: Amounts }
  | { readonly do: 'wait'; readonly ms: number }

const turnsCount = 12
const turn = fc.nat(turnsCount - 1)
const tokens = fc.nat(40)
const micros = fc.nat(400)
const waits = fc.constantFrom(
  1,
  400,
  999,
  1_000,
  7_000,
  7_000,
  31_000,
  61_000,
  3_600_000,
  30 * 3_600_000,
  20 * 86_400_000,
)
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('reserve' as const), turn, tokens, micros }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('settle' as const), turn, used: fc.record({ tokens, micros }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const), turn }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: waits }) },
)
const limit = (max: number) => fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max }))
const limits: fc.Arbitrary<ScopeLimits> = fc.record({
  messagesPerMinute: limit(6),
  tokensPerMinute: limit(150),
  runningTurns: limit(5),
  microsPerDay: limit(1_500),
  microsPerMonth: limit(4_000),
})
const allLimits = fc.record({ subject: limits, project: limits, tenant: limits })

const forMs = 5_000
const startMs = Date.UTC(2027, 1, 26, 23, 59, 50)
/** The two subjects that turns are of, by their number. */
const subjectOf = (n: number) => `subject-${n % 2}`
const scopes: readonly Scope[] = ['subject', 'project', 'tenant']

interface ModelTurn {
  readonly n: number
  readonly reservedMs?: number
  reserved: Amounts
  readonly limits: ReserveRequest['limits']
  untilMs: number
  settledMs?: number
  used?: Amounts
}

class Model {
  nowMs = startMs
  readonly turns: ModelTurn[] = []
  readonly #limits: ReserveRequest['limits']

  constructor(given: ReserveRequest['limits']) {
    this.#limits = given
  }

  reserve(n: number, reserved: Amounts): ReserveReply {
    if (scopes.every((scope) => Object.values(this.#limits[scope]).every((one) => one === 0))) return { kind: 'ok' }
    const known = this.#known(n)
    if (known?.settledMs !== undefined) return { kind: 'ok' }
    if (known !== undefined) return this.#reserveMore(known, reserved)
    const refused = this.#refuse(n, reserved, false)
    if (refused !== undefined) return refused
    const { nowMs } = this
    this.turns.push({ n, reservedMs: nowMs, reserved, limits: this.#limits, untilMs: nowMs + forMs })
    return { kind: 'ok' }
  }

  #reserveMore(known: ModelTurn, { tokens: asked, micros: cost }: Amounts): ReserveReply {
    const { reserved } = known
    const more = { tokens: Math.max(0, asked - reserved.tokens), micros: Math.max(0, cost - reserved.micros) }
    const refused = this.#refuse(known.n, more, true)
    if (refused === undefined)
      known.reserved = { tokens: reserved.tokens + more.tokens, micros: reserved.micros + more.micros }
    known.untilMs = this.nowMs + forMs
    return refused ?? { kind: 'ok' }
  }

  settle(n: number, used: Amounts | undefined): void {
    const known = this.#known(n)
    if (known?.settledMs !== undefined) return
    const nobody = { n, reserved: { tokens: 0, micros: 0 }, limits: limited({}), untilMs: 0 }
    const settled: ModelTurn = known ?? nobody
    if (known === undefined) this.turns.push(settled)
    settled.settledMs = this.nowMs
    if (used !== undefined) settled.used = used
  }

  spending(scope: Scope, n: number): Spending {
    const now = new Date(this.nowMs).toISOString()
    const held = this.#of(scope, n).filter((one) => this.#holds(one, scope))
    const booked = this.#of(scope, n).flatMap((one) => this.#booked(one, scope))
    const sum = (chars: number) =>
      booked
        .filter(({ atMs }) => new Date(atMs).toISOString().slice(0, chars) === now.slice(0, chars))
        .reduce((total, { micros: cost }) => total + cost, 0)
    const heldMicros = held.reduce((total, { reserved }) => total + reserved.micros, 0)
    return { dayMicros: sum(10), monthMicros: sum(7), heldMicros, runningTurns: held.length }
  }

  /** A turn that nobody remembers comes again as another. */
  idOf(n: number): string {
    return `turn-${n}-${this.turns.filter((one) => one.n === n).length - (this.#known(n) === undefined ? 0 : 1)}`
  }

  #known(n: number): ModelTurn | undefined {
    const found = this.turns.findLast((one) => one.n === n)
    if (found === undefined) return undefined
    return this.nowMs < (found.settledMs ?? found.untilMs) + rememberTurnMs ? found : undefined
  }

  #of(scope: Scope, n: number): readonly ModelTurn[] {
    return scope === 'subject' ? this.turns.filter((one) => subjectOf(one.n) === subjectOf(n)) : this.turns
  }

  /** What it used and was settled with, or all that it held, when that lapsed. */
  #booked(one: ModelTurn, scope: Scope): readonly { readonly atMs: number; readonly micros: number }[] {
    if (one.settledMs !== undefined) return [{ atMs: one.settledMs, micros: one.used?.micros ?? 0 }]
    if (one.reservedMs === undefined || one.untilMs > this.nowMs || !this.#isIn(one, scope)) return []
    return [{ atMs: one.untilMs, micros: one.reserved.micros }]
  }

  #isIn({ limits: own }: ModelTurn, scope: Scope): boolean {
    return Object.values(own[scope]).some((one) => one > 0)
  }

  #holds(one: ModelTurn, scope: Scope): boolean {
    const isHeld = one.reservedMs !== undefined && one.untilMs > this.nowMs && one.settledMs === undefined
    return isHeld && this.#isIn(one, scope)
  }

  #refuse(n: number, asked: Amounts, isAdmitted: boolean): ReserveReply | undefined {
    let longest = 0
    let refused: ReserveReply | undefined
    for (const scope of scopes)
      for (const [name, waitMs] of this.#waits(scope, n, asked)) {
        const isJudged = !isAdmitted || (name !== 'messagesPerMinute' && name !== 'runningTurns')
        if (waitMs <= longest || !isJudged) continue
        longest = waitMs
        const wait = waitMs === Number.POSITIVE_INFINITY ? {} : { retryAfterMs: waitMs }
        refused = { kind: 'refused', scope, limit: name, ...wait }
      }
    return refused
  }

  #waits(scope: Scope, n: number, asked: Amounts): readonly (readonly [LimitName, number])[] {
    const given = this.#limits[scope]
    const { dayMicros, monthMicros, heldMicros, runningTurns } = this.spending(scope, n)
    const date = new Date(this.nowMs)
    const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
    const money = (spent: number, most: number, nextMs: number) => {
      if (most === 0 || asked.micros === 0 || spent + heldMicros + asked.micros <= most) return 0
      if (asked.micros > most) return Number.POSITIVE_INFINITY
      return spent + asked.micros > most ? nextMs - this.nowMs : heldRetryMs
    }
    return [
      ['messagesPerMinute', this.#minute(scope, n, 1, given.messagesPerMinute, (one) => countsAs(one))],
      ['tokensPerMinute', this.#minute(scope, n, asked.tokens, given.tokensPerMinute, tokensOf)],
      ['runningTurns', given.runningTurns > 0 && runningTurns >= given.runningTurns ? heldRetryMs : 0],
      ['microsPerDay', money(dayMicros, given.microsPerDay, Date.UTC(year, month, day + 1))],
      ['microsPerMonth', money(monthMicros, given.microsPerMonth, Date.UTC(year, month + 1))],
    ]
  }

  /** Tries every whole second from now on. */
  #minute(scope: Scope, n: number, amount: number, most: number, of: (turn: ModelTurn) => number): number {
    if (most === 0 || amount === 0) return 0
    if (amount > most) return Number.POSITIVE_INFINITY
    const sumAt = (atMs: number) =>
      this.#of(scope, n)
        .filter(({ reservedMs }) => reservedMs !== undefined && second(atMs) - second(reservedMs) <= 60)
        .reduce((total, one) => total + of(one), 0)
    for (let atMs = this.nowMs; ; atMs = (second(atMs) + 1) * 1_000)
      if (sumAt(atMs) + amount <= most) return atMs - this.nowMs
  }
}

const second = (ms: number) => Math.floor(ms / 1_000)
const countsAs = (one: ModelTurn) => (one.settledMs !== undefined && one.used === undefined ? 0 : 1)
/** What is settled after its second is over is corrected too late to matter. */
const tokensOf = (one: ModelTurn) => (one.settledMs === undefined ? one.reserved.tokens : (one.used?.tokens ?? 0))

export function describeModel(makeLedger: MakeLedger): void {
  test('[BUDGET-18] whatever is reserved, settled, repeated and left to lapse: each answer and sum is the model’s, and nothing stays held', async () => {
    const seen = { ok: 0, refused: 0 }
    const play = async (given: ReserveRequest['limits'], plan: readonly Step[]) => {
      const made = await makeLedger()
      const model = new Model(given)
      await made.setNow(model.nowMs)
      for (const [index, step] of plan.entries()) {
        const ledger = made.nodes[index % 2 === 0 ? 0 : 1]
        if (step.do === 'wait') {
          model.nowMs += step.ms
          await made.setNow(model.nowMs)
          continue
        }
        const who = { project: 'p', subject: subjectOf(step.turn) }
        const id = model.idOf(step.turn)
        if (step.do === 'settle') {
          await ledger.settle(settling(id, step.used, who))
          model.settle(step.turn, step.used)
        } else {
          const { tokens: asked, micros: cost } = step
          const request = reserving(id, given, { ...who, tokens: asked, micros: cost, forMs })
          const reply = await ledger.reserve(request)
          expect(reply).toEqual(model.reserve(step.turn, { tokens: asked, micros: cost }))
          seen[reply.kind] += 1
        }
        const expected = scopes.map((scope) => [scope, model.spending(scope, step.turn)])
        expect((await ledger.spent({ tenant: 'acme', ...who })).scopes).toEqual(Object.fromEntries(expected))
      }
      for (let n = 0; n < turnsCount; n += 1)
        if (n % 3 > 0)
          await made.nodes[0].settle(settling(model.idOf(n), undefined, { subject: subjectOf(n), project: 'p' }))
      // The rest lapses.
      await made.setNow(model.nowMs + forMs)
      for (const subject of [subjectOf(0), subjectOf(1)]) {
        const { scopes: left } = await made.nodes[1].spent({ tenant: 'acme', project: 'p', subject })
        for (const scope of scopes) expect(left[scope]).toMatchObject({ heldMicros: 0, runningTurns: 0 })
      }
    }
    const plan = fc.array(steps, { maxLength: 60, size: 'max' })
    await fc.assert(fc.asyncProperty(allLimits, plan, play), { numRuns: 100 })
    expect(Math.min(seen.ok, seen.refused)).toBeGreaterThan(100)
  })
}
