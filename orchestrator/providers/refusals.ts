/**
 * A provider's failures as refusals that a user may read: what happened and whether to try again, never the provider's own
 * words, which may quote the key or the conversation. The operator finds status and code in the log.
 */
import { APIConnectionTimeoutError, APIError } from 'openai'
import { type Refusal, refusal } from '../../protocol/error.ts'

/** No client is told to wait longer than this for a provider, in milliseconds. */
const retryAfterMaxMs = 10 * 60_000

export function refusalOf(error: unknown, nowMs: number): Refusal {
  if (error instanceof APIConnectionTimeoutError) return refusal('provider', 'the model did not answer in time')
  if (!(error instanceof APIError) || error.status === undefined)
    return refusal('provider', 'the model could not be reached')
  return refusalOfStatus(error.status, waitOf(error.headers, nowMs))
}

export function refusalOfStatus(status: number, waitMs?: number): Refusal {
  if (status === 401 || status === 403)
    return { ...refusal('provider', "the model's provider refused the gateway's key"), retryable: false }
  if (status === 429) return refusal('rate-limited', "the model's provider takes no more requests for now", waitMs)
  if (status >= 500) return refusal('provider', `the model's provider failed with status ${status}`, waitMs)
  return { ...refusal('provider', `the model's provider refused the request with status ${status}`), retryable: false }
}

/** Some providers say it in milliseconds too, and then more exactly. */
function waitOf(headers: Headers | undefined, nowMs: number): number | undefined {
  const precise = Number(headers?.get('retry-after-ms') ?? Number.NaN)
  if (Number.isFinite(precise)) return bounded(precise)
  return retryAfterMs(headers?.get('retry-after') ?? undefined, nowMs)
}

function bounded(waitMs: number): number {
  return Math.round(Math.min(Math.max(waitMs, 0), retryAfterMaxMs))
}

/** `Retry-After` in milliseconds, from seconds or a date; at most ten minutes. */
function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined || header === '') return undefined
  const seconds = Number(header)
  const waitMs = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1000
  return Number.isNaN(waitMs) ? undefined : bounded(waitMs)
}
