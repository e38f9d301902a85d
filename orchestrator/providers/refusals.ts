/**
 * A provider's failures: what a user may read of them, never the provider's own words, which may quote the key or the
 * conversation (the operator finds status and code in the log), and what may help against them.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Cure, ProviderFailure } from '../ports.ts'
import { providerWord } from './provider-word.ts'

/** No provider's wish to be left alone is believed beyond this, in milliseconds. */
const retryAfterMaxMs = 10 * 60_000

/** The provider or the way to it is at fault, and the same call may succeed. */
export function illness(message: string): ProviderFailure {
  return { refusal: refusal('provider', message), cure: 'wait', isIllness: true }
}

/** What is known of a failure. Status 0: there is none. */
export interface Complaint {
  readonly status: number
  /** The error of the body, of any shape. */
  readonly error?: unknown
  readonly retryAfterMs?: number | undefined
}

/** What is at fault. */
type Fault = 'wait' | 'rate' | 'account' | 'key' | 'target' | 'too-long' | 'filtered' | 'request'

/**
 * The one table: a code that the body names says more than the status does, since gateways in front of models map statuses
 * as they like; a code that names a whole family (`invalid_request_error`) says less.
 */
export function failureOf({ status, error, retryAfterMs }: Complaint): ProviderFailure {
  const said = readError(error)
  const code = said.names.map(normal).find((name) => faultOfCode.has(name))
  const known = code === undefined ? undefined : faultOfCode.get(code)
  const ofStatus = faultOfStatus(status || said.status)
  // A family of its own errors, which some name with each status.
  const isVague = known === undefined || (known === 'wait' && ofStatus !== 'request')
  const fault = isTooLong(status, said.message) ? 'too-long' : isVague ? ofStatus : known
  const failure = {
    refusal: refusalOf(fault, status || said.status, retryAfterMs),
    cure: cures[fault],
    isIllness: fault === 'wait',
  }
  return retryAfterMs === undefined ? failure : { ...failure, retryAfterMs }
}

/** An error in place of an answer's next event. */
export function failureInStream(error: unknown): ProviderFailure {
  const { status, names } = readError(error)
  const isKnown = status >= 400 || names.some((name) => faultOfCode.has(normal(name)))
  return isKnown ? failureOf({ status: 0, error }) : illness("the model's provider failed in the middle of its answer")
}

/** The code that a refusal names, for the log. */
export function codeOf(error: unknown): string | undefined {
  return readError(error).names[0]
}

/** The error in a refusal's body. Google sends a list of one. */
export function errorInBody(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    const body: unknown = Array.isArray(value) ? value[0] : value
    return typeof body === 'object' && body !== null && 'error' in body && body.error ? body.error : body
  } catch {
    return undefined
  }
}

const cures: Readonly<Record<Fault, Cure>> = {
  wait: 'wait',
  rate: 'other-key',
  account: 'other-account',
  key: 'other-account',
  target: 'other-target',
  'too-long': 'other-target',
  filtered: 'none',
  request: 'none',
}

function faultOfStatus(status: number): Fault {
  if (status === 401) return 'key'
  if (status === 402) return 'account'
  // A region, a model that the key may not use, a policy, an address: nothing that another key would change.
  if ((status >= 300 && status < 400) || elsewhere.has(status)) return 'target'
  if (status === 413) return 'too-long'
  if (status === 429) return 'rate'
  // 408 and 409 are what OpenAI's own client repeats beside 429 and all of 500; 498 is Groq's full capacity.
  return waits.has(status) || status >= 500 || status === 0 ? 'wait' : 'request'
}

const elsewhere: ReadonlySet<number> = new Set([403, 404, 405, 410, 421, 451, 501, 505])
const waits: ReadonlySet<number> = new Set([408, 409, 425, 498])

/** As OpenAI, Azure, Anthropic, Google, Groq, DeepSeek, Mistral, OpenRouter, Moonshot, Alibaba and llama.cpp publish them. */
const codes: Readonly<Record<Exclude<Fault, 'request'>, readonly string[]>> = {
  wait: [
    'overloaded_error',
    'overloaded',
    'engine_overloaded_error',
    'server_error',
    'server_overloaded',
    'internal_server_error',
    'internal_error',
    'api_error',
    'timeout',
    'timeout_error',
    'service_unavailable',
    'service_unavailable_error',
    'capacity_exceeded',
    'unavailable',
    'internal',
    'deadline_exceeded',
  ],
  rate: [
    'rate_limit_exceeded',
    'rate_limit_error',
    'rate_limit_reached_error',
    'rate_limited',
    'too_many_requests',
    'resource_exhausted',
    'throttling',
    'throttling_exception',
  ],
  account: [
    'insufficient_quota',
    'insufficient_balance',
    'insufficient_credits',
    'insufficient_user_quota',
    'billing_hard_limit_reached',
    'billing_not_active',
    'billing_error',
    'payment_required',
    'account_deactivated',
    'exceeded_current_quota_error',
    'arrearage',
    'access_terminated',
  ],
  key: [
    'invalid_api_key',
    'incorrect_api_key',
    'authentication_error',
    'invalid_authentication_error',
    'incorrect_api_key_error',
    'unauthorized',
    'unauthenticated',
    'invalid_token',
    'expired_api_key',
    'API_KEY_INVALID',
  ],
  target: [
    'model_not_found',
    'model_not_available',
    'model_not_supported',
    'model_decommissioned',
    'model_terms_required',
    'not_found_error',
    'resource_not_found_error',
    'not_found',
    'permission_error',
    'permission_denied',
    'permission_denied_error',
    'DeploymentNotFound',
    'OperationNotSupported',
    'unsupported_country_region_territory',
  ],
  'too-long': [
    'context_length_exceeded',
    'context_window_exceeded',
    'string_above_max_length',
    'request_too_large',
    'prompt_too_long',
    'model_max_prompt_tokens_exceeded',
    'exceed_context_size_error',
    'tokens_limit_reached',
  ],
  filtered: [
    'content_filter',
    'content_filtered',
    'content_filter_error',
    'content_policy_violation',
    'ResponsibleAIPolicyViolation',
    'data_inspection_failed',
    'moderation_blocked',
    'content_moderation',
    'sensitive_words_detected',
    'prohibited_content',
  ],
}

const faultOfCode: ReadonlyMap<string, Fault> = new Map(
  Object.entries(codes).flatMap(([fault, names]) =>
    // The keys are those of the table above.
    names.map((name): [string, Fault] => [normal(name), fault as Fault]),
  ),
)

function normal(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** Servers without a code for it say it in words. The words are looked at and kept nowhere. */
function isTooLong(status: number, message: string): boolean {
  const mayBe = status === 0 || status === 400 || status === 413 || status === 422
  return mayBe && tooLongWords.test(message)
}

const tooLongWords =
  /maximum (context|model) length|max_model_len|context (length|window|size) |exceeds? the (available |maximum )?context|prompt (is )?too long|too many tokens/i

interface Said {
  readonly status: number
  /** Its codes and types, the most telling first. Only short names. */
  readonly names: readonly string[]
  readonly message: string
}

function readError(error: unknown): Said {
  if (typeof error === 'string') return { status: 0, names: namesOf([error]), message: error }
  // The boundary: every field is `unknown` until it was looked at.
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Readonly<Record<string, unknown>>
  const { code, type, status, innererror, metadata, details, message, detail } = fields
  const inner = typeof innererror === 'object' && innererror !== null && 'code' in innererror ? innererror.code : ''
  const isFlagged = typeof metadata === 'object' && metadata !== null && 'flagged_input' in metadata
  // Google's code is for the status alone; what it means stands behind it.
  const reasons = Array.isArray(details) ? details.map((one: { reason?: unknown } | null) => one?.reason) : []
  const names = [inner, isFlagged ? 'content_filter' : '', ...reasons, code, status, type]
  return {
    status: [status, code].map(Number).find((number) => number >= 300 && number <= 599) ?? 0,
    names: namesOf(names),
    message: typeof message === 'string' ? message : typeof detail === 'string' ? detail : '',
  }
}

function namesOf(values: readonly unknown[]): string[] {
  return values.map(providerWord).filter((name) => name !== undefined)
}

function refusalOf(fault: Fault, status: number, retryAfterMs: number | undefined): Refusal {
  const told = status === 0 ? '' : ` with status ${status}`
  switch (fault) {
    case 'key':
      return final("the model's provider refused the gateway's key")
    case 'account':
      return final("the gateway's account at the model's provider is empty or blocked")
    case 'target':
      return final(status === 403 ? "the model's provider refused the gateway's key" : targetWords(status, told))
    case 'too-long':
      return refusal('too-large', 'the conversation is longer than the model takes: shorten it, or begin a new one')
    case 'filtered':
      return refusal('filtered', "the model's provider stopped the question by its content filter")
    case 'rate':
      return refusal('rate-limited', "the model's provider takes no more requests for now", retryAfterMs)
    case 'wait':
      return refusal('provider', `the model's provider failed${told}`, retryAfterMs)
    case 'request':
      return final(`the model's provider refused the request${told}`)
  }
}

function targetWords(status: number, told: string): string {
  if (status >= 300 && status < 400) return `the model's provider sends to another address (status ${status})`
  return `the model's provider does not offer this model${told}`
}

function final(message: string): Refusal {
  return { ...refusal('provider', message), retryable: false }
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
