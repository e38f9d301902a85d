import { wholeNumberOr } from './variable.ts'

const KIB = 1024
const GIB = 1024 * 1024 * KIB

/** A share of the store: a number on any store, or `auto`, what follows from all that the store holds (see `sharesOf`). */
const share = (unit: 'sessions' | 'bytes', meaning: string) =>
  wholeNumberOr('auto', 'auto', {
    meaning,
    unit,
    min: unit === 'bytes' ? 64 * KIB : 1,
    max: unit === 'bytes' ? 1024 * GIB : 10_000_000,
  })

export const shares = {
  SLUICE_SESSIONS_PER_SUBJECT: share(
    'sessions',
    'sessions that one subject may have; auto: 1,000, or a quarter of the store',
  ),
  SLUICE_BYTES_PER_SUBJECT: share(
    'bytes',
    "bytes that one subject's sessions may hold; auto: 64 MiB, or a quarter of the store",
  ),
  SLUICE_SESSIONS_PER_TENANT: share(
    'sessions',
    'sessions that one tenant may have; auto: half of the store, once there is another tenant',
  ),
  SLUICE_BYTES_PER_TENANT: share(
    'bytes',
    "bytes that one tenant's sessions may hold; auto: half of the store, once there is another tenant",
  ),
}
