/**
 * What a turn holds of its budgets on this node, from its admission to its end.
 *
 * A reservation covers at any time all that the turn's calls may have used until then: the first call before the message is
 * accepted, each further one (a hedge, another try, an answer that goes on) before it is sent. It is short and renewed while
 * the turn runs. It ends in exactly one of two ways: given back, when the turn did not come about, or settled with what the
 * calls used. One that nobody ends, since its node died, lapses and is booked whole; so whoever takes the turn over has a
 * reservation of its own.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import { refuseOverrun } from './budget.ts'
import type { Amounts, Ledger, Overrun, ReserveReply } from './budget-port.ts'
import type { Settler } from './budget-settler.ts'
import { reservationLeases, unavailableRetryMs } from './limits.ts'
import { countsSize, isAnyLimited, limitsFor, type Policy } from './policy.ts'
import type { Clock, TurnTelemetry } from './ports.ts'

export interface Spender {
  readonly tenant: string
  readonly subject: string
  readonly project?: string
}

export interface ReservationPorts {
  readonly ledger: Pick<Ledger, 'reserve'>
  readonly telemetry: TurnTelemetry
  readonly settler: Pick<Settler, 'settle'>
  readonly clock: Clock
}

export interface Reservation {
  /** The turn did not come about; its message is not counted either. */
  giveBack(): void
  /** The turn runs: what it holds is held on, until it is settled. */
  hold(): void
  /**
   * Makes sure that all is reserved that the turn may use at most with one more call. Undefined: it is, and the store is not
   * asked. Else resolves with why not, or with nothing; never rejects.
   */
  allow(most: () => Amounts): Promise<Refusal | undefined> | undefined
  /** Also when the turn goes on elsewhere. */
  settle(used: Amounts): void
  /** The session is gone: what the turn used is paid for, and nothing of the session stays. */
  settleGone(used: Amounts): void
}

interface Held {
  /** The turn's, or one of its own where the turn was taken over. */
  readonly id: string
  readonly session: string
  readonly spender: Spender
  readonly policy: Policy
  /** At most. */
  readonly amounts: Amounts
  readonly leaseMs: number
  /** Its message was counted under another id. */
  readonly isAdmitted?: boolean
}

/** Nothing of a turn that is refused is held. */
export async function reserve(
  held: Held,
  ports: ReservationPorts,
): Promise<
  { readonly kind: 'ok'; readonly reservation: Reservation } | { readonly kind: 'refused'; readonly refusal: Refusal }
> {
  const reservation = new HeldReservation(held, ports)
  const refused = await reservation.ask(held.amounts)
  if (refused === undefined) return { kind: 'ok', reservation }
  // The store may have it all the same.
  if (refused.kind === 'unavailable') reservation.giveBack()
  return { kind: 'refused', refusal: refused }
}

/** Of a turn that was admitted elsewhere: it holds nothing until its first call. */
export function takenReservation(held: Omit<Held, 'amounts' | 'isAdmitted'>, ports: ReservationPorts): Reservation {
  return new HeldReservation({ ...held, amounts: { tokens: 0, micros: 0 }, isAdmitted: true }, ports)
}

class HeldReservation implements Reservation {
  readonly #held: Held
  readonly #ports: ReservationPorts
  readonly #isLimited: boolean
  #amounts: Amounts
  #cancel: () => void = () => undefined

  constructor(held: Held, ports: ReservationPorts) {
    this.#held = held
    this.#ports = ports
    this.#amounts = held.amounts
    this.#isLimited = isAnyLimited(limitsFor(held.policy.limits, held.spender.tenant))
  }

  giveBack(): void {
    if (this.#isLimited) this.#over({ session: this.#held.session })
  }

  hold(): void {
    if (!this.#isLimited) return
    this.#cancel = this.#ports.clock.after(this.#held.leaseMs, () => this.hold())
    // What it has was judged before.
    this.#reserve(this.#amounts).catch(() => undefined)
  }

  allow(most: () => Amounts): Promise<Refusal | undefined> | undefined {
    const { policy, spender } = this.#held
    if (!countsSize(limitsFor(policy.limits, spender.tenant))) return undefined
    const { tokens, micros } = most()
    const held = this.#amounts
    if (tokens <= held.tokens && micros <= held.micros) return undefined
    return this.#askForMore({ tokens: Math.max(tokens, held.tokens), micros: Math.max(micros, held.micros) })
  }

  settle(used: Amounts): void {
    this.#over({ session: this.#held.session, used })
  }

  settleGone(used: Amounts): void {
    this.#over({ used })
  }

  /** In all, with what it holds. */
  async ask(amounts: Amounts): Promise<Refusal | undefined> {
    const reply = await this.#reserve(amounts).catch(() => undefined)
    if (reply === undefined)
      return refusal('unavailable', 'the budgets could not be asked; send the message again', unavailableRetryMs)
    if (reply.kind === 'refused') return this.#refuse(reply)
    this.#amounts = amounts
    return undefined
  }

  async #askForMore(amounts: Amounts): Promise<Refusal | undefined> {
    const refused = await this.ask(amounts)
    return refused && { ...refused, message: `the answer needs another call of a model: ${refused.message}` }
  }

  #refuse(overrun: Overrun): Refusal {
    const { spender, policy } = this.#held
    this.#ports.telemetry.budgetRefused(overrun.scope, overrun.limit)
    return refuseOverrun(overrun, limitsFor(policy.limits, spender.tenant)[overrun.scope], policy.limits.currency)
  }

  #reserve({ tokens, micros }: Amounts): Promise<ReserveReply> {
    const { id, spender, policy, leaseMs, isAdmitted } = this.#held
    const limits = limitsFor(policy.limits, spender.tenant)
    const forMs = reservationLeases * leaseMs
    const request = { id, ...spender, limits, tokens, micros, forMs }
    return this.#ports.ledger.reserve(isAdmitted === true ? { ...request, isAdmitted } : request)
  }

  #over(how: { readonly session?: string; readonly used?: Amounts }): void {
    this.#cancel()
    this.#ports.settler.settle({ id: this.#held.id, ...this.#held.spender, ...how })
  }
}
