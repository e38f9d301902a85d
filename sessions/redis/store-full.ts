import type { Full } from '../session-log.ts'
import { fullRetryMs } from './limits.ts'
import { StoreFull } from './redis-link.ts'

/** What is answered when Redis has no memory left; any other failure is thrown on. */
export function storeFullReply(error: unknown): Full {
  if (error instanceof StoreFull) return { kind: 'store-full', retryAfterMs: fullRetryMs }
  throw error
}
