/**
 * A provider's failures: what a user may read of them, never the provider's own words, which may quote the key or the
 * conversation (the operator finds status and code in the log), and what may help against them.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Cure, ProviderFailure } from '../ports.ts'

/** No provider's wish to be left alone is believed beyond this, in milliseconds. */
const retryAfterMaxMs = 10 * 60_000

/** The provider or the way to it is at fault, and the same call may succeed. */
export function illness(message: string): ProviderFailure {
  return { refusal: refusal('provider', message), cure: 'wait', isIllness: true }
}

export function failureOfStatus(status: number, retryAfterMs?: number): ProviderFailure {
  const cure = cureOf(status)
  const failure = { refusal: refusalOf(status, cure, retryAfterMs), cure, isIllness: cure === 'wait' }
  return retryAfterMs === undefined ? failure : { ...failure, retryAfterMs }
}

/** 408 and 409 are what OpenAI's own client repeats beside 429 and all of 500. */
function cureOf(status: number): Cure {
  if (status === 401 || status === 429) return 'other-key'
  // A region, a model that the key may not use, a policy: nothing that another key of the same account would change.
  if (status === 403 || status === 404) return 'other-target'
  return status === 408 || status === 409 || status >= 500 ? 'wait' : 'none'
}

function refusalOf(status: number, cure: Cure, retryAfterMs: number | undefined): Refusal {
  if (status === 401 || status === 403)
    return { ...refusal('provider', "the model's provider refused the gateway's key"), retryable: false }
  if (status === 429)
    return refusal('rate-limited', "the model's provider takes no more requests for now", retryAfterMs)
  if (cure === 'wait') return refusal('provider', `the model's provider failed with status ${status}`, retryAfterMs)
  return { ...refusal('provider', `the model's provider refused the request with status ${status}`), retryable: false }
}

/** How long the provider asks to be left alone, in milliseconds. Some say it in milliseconds too, and then more exactly. */
export function retryAfterOf(headers: IncomingHttpHeaders, nowMs: number): number | undefined {
  const precise = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (Number.isFinite(precise)) return bounded(precise)
  return retryAfterMs(headers['retry-after'], nowMs)
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
