import { type Refusal, refusal } from '../protocol/error.ts'

/** A share of the store that is used up; the stores happen to have this shape. */
export interface ShareFull {
  readonly kind: 'share-full'
  readonly of: 'subject' | 'tenant'
  readonly unit: 'sessions' | 'bytes'
  readonly limit: number
}

/** What is full, how much it is, and what makes room. Sending the same again does not. */
export function refuseShare({ of, unit, limit }: ShareFull): Refusal {
  const whose = of === 'subject' ? 'your' : "your tenant's"
  const most =
    unit === 'sessions' ? `there are ${limit} of ${whose} sessions` : `${whose} sessions hold ${sizeOf(limit)}`
  return refusal('forbidden', `${most}, as much as one ${of} may have: ${advice[of]}`)
}

const advice = {
  subject: 'delete sessions (session.delete), the oldest first, then send this again',
  tenant: 'delete sessions (session.delete), or ask your administrator; then send this again',
} as const

function sizeOf(bytes: number): string {
  const [size, unit] = sizes.find(([least]) => bytes >= least) ?? [1, 'bytes']
  return `${Math.round((10 * bytes) / size) / 10} ${unit}`
}

const sizes = [
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
] as const
