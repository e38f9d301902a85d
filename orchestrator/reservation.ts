/**
 * What a turn holds of its budgets, from its admission to its end.
 *
 * A reservation is short and renewed while the turn runs, so that what a dead node held is free again soon. It ends in
 * exactly one of two ways: given back, when the turn did not come about, or settled with what the turn used. A turn that
 * goes on elsewhere is settled there: the books know it by its id.
 */
import { randomUUID } from 'node:crypto'
import { type Refusal, refusal } from '../protocol/error.ts'
import { refuseOverrun } from './budget.ts'
import type { Amounts, Ledger } from './budget-port.ts'
import type { Settler } from './budget-settler.ts'
import { reservationLeases, unavailableRetryMs } from './limits.ts'
import { isAnyLimited, limitsFor, type Policy } from './policy.ts'
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
  /** The turn runs: what it holds is held on, until `settle` or `leave`. */
  hold(): void
  settle(used: Amounts): void
  /** The session is gone: what the turn used is paid for, and nothing of the session stays. */
  settleGone(used: Amounts): void
  /** The turn goes on elsewhere, and is settled there; what it used here is booked beside it. */
  leave(used: Amounts): void
}

interface Held {
  readonly turn: string
  readonly session: string
  readonly spender: Spender
  readonly policy: Policy
  /** At most. */
  readonly amounts: Amounts
  readonly leaseMs: number
}

/** Nothing of a turn that is refused is held. */
export async function reserve(
  held: Held,
  ports: ReservationPorts,
): Promise<
  { readonly kind: 'ok'; readonly reservation: Reservation } | { readonly kind: 'refused'; readonly refusal: Refusal }
> {
  const { limits } = held.policy
  const reply = await ports.ledger.reserve(requestOf(held)).catch(() => undefined)
  if (reply === undefined) {
    // What it may hold lapses by itself; giving it back would only wait for the same store.
    const away = refusal('unavailable', 'the budgets could not be asked; send the message again', unavailableRetryMs)
    return { kind: 'refused', refusal: away }
  }
  if (reply.kind === 'ok') return { kind: 'ok', reservation: reservationOf(held, ports) }
  ports.telemetry.budgetRefused(reply.scope, reply.limit)
  const own = limitsFor(limits, held.spender.tenant)[reply.scope]
  return { kind: 'refused', refusal: refuseOverrun(reply, own, limits.currency) }
}

/** Of a turn that was admitted elsewhere. */
export function reservationOf(held: Held, { ledger, settler, clock }: ReservationPorts): Reservation {
  const { turn: id, session, spender, policy, leaseMs } = held
  const isLimited = isAnyLimited(limitsFor(policy.limits, spender.tenant))
  let cancel: () => void = () => undefined
  const renew = () => {
    cancel = clock.after(leaseMs, renew)
    // It was admitted once, and is not judged again.
    ledger.reserve(requestOf(held)).catch(() => undefined)
  }
  const over = (used?: Amounts, of: { readonly session?: string } = { session }) => {
    cancel()
    settler.settle({ id, ...of, ...spender, ...(used && { used }) })
  }
  return {
    giveBack() {
      if (isLimited) over()
    },
    hold() {
      if (isLimited) renew()
    },
    settle: (used) => over(used),
    settleGone: (used) => over(used, {}),
    leave(used) {
      cancel()
      // Under a name of its own: the books settle each turn once, and this one is settled by who ends it.
      if (used.tokens > 0) settler.settle({ id: `${id}.${randomUUID()}`, session, ...spender, used })
    },
  }
}

function requestOf({ turn: id, spender, policy, amounts, leaseMs }: Held) {
  const limits = limitsFor(policy.limits, spender.tenant)
  return { id, ...spender, limits, ...amounts, forMs: reservationLeases * leaseMs }
}
