// What goes wrong before an answer begins, and how often. A retry is only tested when the fault goes away, so a fault may
// name how many requests meet it; requests are told apart by something they carry, since retries come on new connections.
import { MAX_FAULT_KEYS } from './limits.ts'
import { type ChatRequest, lastUserText } from './request.ts'
import type { Fault, Settings } from './settings.ts'
import type { ApiError } from './wire.ts'

/** Counts how many requests with one key met their fault. */
export class FaultCounter {
  readonly #met = new Map<string, number>()

  /** The fault this request meets, counting it; undefined when it has none or its `times` are used up. */
  meet(request: ChatRequest, settings: Settings): Fault | undefined {
    const { fault, times } = settings
    if (fault === undefined || times === undefined) return fault
    const key = settings.key ?? `${request.model}\n${lastUserText(request)}`
    const met = this.#met.get(key) ?? 0
    if (met >= times) return undefined
    this.#met.set(key, met + 1)
    if (this.#met.size > MAX_FAULT_KEYS) this.#forgetOldest()
    return fault
  }

  #forgetOldest(): void {
    for (const key of this.#met.keys()) {
      this.#met.delete(key)
      return
    }
  }
}

export interface Refusal {
  readonly status: number
  readonly error: ApiError
}

const refusals = new Map<Fault, Refusal>([
  ['400', refusal(400, 'invalid_request_error', 'invalid_value', "Invalid value for 'messages'.")],
  ['401', refusal(401, 'invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.')],
  ['403', refusal(403, 'invalid_request_error', 'unsupported_country_region_territory', 'Region not supported.')],
  [
    '404',
    refusal(
      404,
      'invalid_request_error',
      'model_not_found',
      'The model does not exist or you do not have access to it.',
    ),
  ],
  ['408', refusal(408, 'server_error', 'timeout', 'The request took too long.')],
  ['409', refusal(409, 'conflict', 'conflict', 'The resource was updated by another request.')],
  ['429', refusal(429, 'requests', 'rate_limit_exceeded', 'Rate limit reached for requests.')],
  ['empty-account', refusal(429, 'insufficient_quota', 'insufficient_quota', 'You exceeded your current quota.')],
  [
    'too-long',
    refusal(
      400,
      'invalid_request_error',
      'context_length_exceeded',
      "This model's maximum context length is 8192 tokens.",
    ),
  ],
  ['blocked', refusal(400, 'invalid_request_error', 'content_policy_violation', 'The prompt was flagged.')],
  ['500', refusal(500, 'server_error', null, 'The server had an error while processing your request.')],
  ['503', refusal(503, 'server_error', null, 'The engine is currently overloaded, please try again later.')],
])

export function refusal(status: number, type: string, code: string | null, message: string): Refusal {
  return { status, error: { message, type, param: null, code } }
}

/** The refusal a fault stands for, or undefined when the fault lets the answer begin. */
export function refusalFor(fault: Fault | undefined): Refusal | undefined {
  return fault === undefined ? undefined : refusals.get(fault)
}

export function refusalHeaders(fault: Fault | undefined, settings: Settings): Readonly<Record<string, string>> {
  if (fault !== '429') return {}
  const precise = settings.retryAfterMs === undefined ? {} : { 'retry-after-ms': String(settings.retryAfterMs) }
  return { 'retry-after': String(settings.retryAfterSeconds), ...precise }
}

export const HTML_PAGE = `<!doctype html>
<html><head><title>502 Bad Gateway</title></head>
<body><center><h1>502 Bad Gateway</h1></center></body></html>
`
