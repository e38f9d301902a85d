/**
 * The requests of one target: headers and body, as it is configured and as its refusals taught.
 *
 * Endpoints that speak like OpenAI differ in what they take: one wants `max_completion_tokens`, another does not know
 * `stream_options`, a third has a small context. What an endpoint refuses by name is left out, renamed or shortened, and the
 * request repeated at once, a few times at most. What helped is remembered for as long as the target is configured as it is.
 *
 * A body is built once for each request that is sent.
 */
import { fitPrompt, type TokenMeasure } from '../context-room.ts'
import type { NamedSecret, RequestParameters, RequestPolicy } from '../policy.ts'
import type { ProviderMessage, ProviderRequest } from '../ports.ts'
import { faultIn, type RequestFault } from './request-faults.ts'

/** Repeats of one call in another form; a refusal after that is a failure. */
const repairsPerCallMax = 6

/** Members of the body that are the gateway's own; no configuration sets them. */
export const ownParameters: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'n',
])

export interface RequestForm extends RequestPolicy {
  readonly contextTokens?: number
}

/** Called once for each thing that is learned of a target. `fields` have names of parameters and figures alone. */
export type ReportLearned = (fields: object, message: string) => void

/** What the refusals of an endpoint taught. */
export interface Learned {
  readonly leftOut: ReadonlySet<string>
  /** Infinity: not known. */
  readonly answerTokensMax: number
  readonly contextTokens: number
  /** The system prompt stands at the beginning of the first question. */
  readonly takesNoSystem: boolean
}

const nothing: Learned = {
  leftOut: new Set(),
  answerTokensMax: Number.POSITIVE_INFINITY,
  contextTokens: Number.POSITIVE_INFINITY,
  takesNoSystem: false,
}

type Body = Readonly<Record<string, unknown>>

/** The requests of one target. */
export class TargetRequests {
  readonly #form: RequestForm
  readonly #report: ReportLearned
  readonly #refusedOfPrompts = new Set<string>()
  #learned = nothing

  constructor(form: RequestForm, report: ReportLearned) {
    this.#form = form
    this.#report = report
  }

  headers(apiKey: string): Readonly<Record<string, string>> {
    const { keyHeader = bearerHeader, headers } = this.#form
    const all = { [keyHeader]: keyHeader === bearerHeader ? `Bearer ${apiKey}` : apiKey }
    for (const [name, value] of headers ?? []) all[name] = textOf(value)
    return all
  }

  start(request: ProviderRequest): OutgoingRequest {
    return new OutgoingRequest(this, request, this.#learned)
  }

  /** Undefined: question and system prompt alone are longer than the model's context. */
  body(request: ProviderRequest, learned: Learned, measure: TokenMeasure): Body | undefined {
    const { contextTokens = Number.POSITIVE_INFINITY } = this.#form
    const messages = learned.takesNoSystem ? withoutSystem(request.messages) : request.messages
    const answerTokens = Math.min(request.maxOutputTokens, learned.answerTokensMax)
    const context = Math.min(contextTokens, learned.contextTokens)
    const whole = { messages, answerTokens }
    const fitted = Number.isFinite(context) ? fitPrompt(messages, answerTokens, context, measure) : whole
    if (fitted === undefined) return undefined
    const limit = tokenLimitName(this.#form, learned)
    return without(learned.leftOut, {
      model: request.model,
      messages: fitted.messages,
      ...(limit !== undefined && { [limit]: fitted.answerTokens }),
      stream: true,
      ...(this.#form.sendsStreamOptions !== false && { stream_options: { include_usage: true } }),
      ...this.#form.parameters,
      ...this.#ofPrompt(request.parameters),
    })
  }

  /** What is new in `learned`. */
  changes(learned: Learned): readonly LearnedChange[] {
    return changesBetween(this.#learned, learned, this.#form)
  }

  /** The endpoint took what one request learned. */
  keep(learned: Learned): void {
    const before = this.#learned
    const leftOut = new Set([...before.leftOut, ...learned.leftOut])
    this.#learned = {
      leftOut,
      answerTokensMax: Math.min(before.answerTokensMax, learned.answerTokensMax),
      contextTokens: Math.min(before.contextTokens, learned.contextTokens),
      takesNoSystem: before.takesNoSystem || learned.takesNoSystem,
    }
    for (const change of changesBetween(before, this.#learned, this.#form)) this.#report(change.fields, change.message)
  }

  /** What a prompt's version sets and the target does not allow is left out, which is said once. */
  #ofPrompt(parameters: RequestParameters | undefined): RequestParameters {
    if (parameters === undefined) return {}
    const allowed = new Set(this.#form.promptMayChange)
    const names = Object.keys(parameters)
    for (const parameter of names.filter((name) => !allowed.has(name) && !this.#refusedOfPrompts.has(name))) {
      if (this.#refusedOfPrompts.size >= refusedOfPromptsMax) break
      this.#refusedOfPrompts.add(parameter)
      this.#report(
        { parameter },
        'a prompt sets a parameter that is not in promptMayChange of the target; it is left out',
      )
    }
    return Object.fromEntries(Object.entries(parameters).filter(([name]) => allowed.has(name)))
  }
}

const bearerHeader = 'authorization'
/** Names of parameters that prompts set in vain, of which the log has told; others are left out without a word. */
const refusedOfPromptsMax = 64

/** The request of one call, in the form in which it is sent next. */
export class OutgoingRequest {
  readonly #requests: TargetRequests
  readonly #request: ProviderRequest
  #learned: Learned
  #measure: TokenMeasure = 'estimate'
  #body: Body | undefined
  #repairs = 0
  /** Undefined: the question is too long for the model, or the request was taken. */
  json: string | undefined

  constructor(requests: TargetRequests, request: ProviderRequest, learned: Learned) {
    this.#requests = requests
    this.#request = request
    this.#learned = learned
    this.#build()
  }

  /** What is sent, as JSON. */
  get body(): Body | undefined {
    return this.#body
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#requests.headers(this.#request.apiKey)
  }

  /** What was changed after refusals, so far, in words for the operator. */
  get repairs(): readonly LearnedChange[] {
    return this.#requests.changes(this.#learned)
  }

  /** It was refused. True: `json` is another one now, which may be taken. */
  repair(status: number, text: string): boolean {
    const body = this.#body
    if (body === undefined || this.#repairs >= repairsPerCallMax) return false
    const fault = faultIn(status, text, sentOf(body, this.#request.messages))
    if (fault === undefined) return false
    const before = this.json
    this.#learned = taught(this.#learned, fault, body)
    // A prompt that was cut by estimate, and refused, is cut by its upper bound.
    if (fault.kind === 'context') this.#measure = 'bound'
    this.#build()
    if (this.json === undefined || this.json === before) return false
    this.#repairs++
    return true
  }

  /** It was taken, in this form. Nothing of it is kept while its answer streams. */
  taken(): void {
    if (this.#repairs > 0) this.#requests.keep(this.#learned)
    this.#body = undefined
    this.json = undefined
  }

  #build(): void {
    this.#body = this.#requests.body(this.#request, this.#learned, this.#measure)
    this.json = this.#body && JSON.stringify(this.#body)
  }
}

function textOf(value: string | NamedSecret): string {
  return typeof value === 'string' ? value : value.secret.reveal()
}

function without(names: ReadonlySet<string>, body: Body): Body {
  if (names.size === 0) return body
  return Object.fromEntries(Object.entries(body).filter(([name]) => !names.has(name)))
}

const limitNames = ['max_tokens', 'max_completion_tokens'] as const

/** The name that is configured, or else the other one, unless the endpoint refused it. */
export function tokenLimitName({ tokenLimit = 'auto' }: RequestForm, { leftOut }: Learned): string | undefined {
  if (tokenLimit === 'none') return undefined
  const first = tokenLimit === 'auto' ? 'max_tokens' : tokenLimit
  return [first, ...limitNames].find((name) => !leftOut.has(name))
}

function sentOf(body: Body, messages: readonly ProviderMessage[]) {
  const removable = Object.keys(body).filter((name) => name !== 'model' && name !== 'messages' && name !== 'stream')
  const limit = body.max_tokens ?? body.max_completion_tokens
  const answerTokens = typeof limit === 'number' ? limit : undefined
  return { removable, answerTokens, hasSystem: messages[0]?.role === 'system' }
}

/** Some servers know one name of the limit and say that the other, which was not sent, is missing: only what was sent is left out. */
function taught(known: Learned, fault: RequestFault, body: Body): Learned {
  switch (fault.kind) {
    case 'unsupported':
      return { ...known, leftOut: new Set([...known.leftOut, ...fault.names.filter((name) => name in body)]) }
    case 'answer-too-long':
      return { ...known, answerTokensMax: Math.min(known.answerTokensMax, fault.tokens) }
    case 'context':
      return { ...known, contextTokens: Math.min(known.contextTokens, fault.tokens) }
    case 'no-system':
      return { ...known, takesNoSystem: true }
    default:
      return assertNever(fault)
  }
}

function withoutSystem([first, second, ...rest]: readonly ProviderMessage[]): readonly ProviderMessage[] {
  if (first?.role !== 'system' || second === undefined)
    return [first, second, ...rest].filter((one) => one !== undefined)
  if (second.role !== 'user') return [{ role: 'user', content: first.content }, second, ...rest]
  return [{ role: 'user', content: `${first.content}\n\n${second.content}` }, ...rest]
}

export interface LearnedChange {
  readonly fields: object
  readonly message: string
}

/** In words for the operator, who can write it into the configuration and save the refused requests. */
function changesBetween(before: Learned, now: Learned, form: RequestForm): readonly LearnedChange[] {
  const changes: LearnedChange[] = [...now.leftOut]
    .filter((name) => !before.leftOut.has(name))
    .map((parameter) => {
      const isLimit = limitNames.some((name) => name === parameter)
      const instead = isLimit ? { instead: tokenLimitName(form, now) ?? 'none' } : {}
      return {
        fields: { parameter, ...instead },
        message: 'the endpoint refuses a parameter; it is left out from now on',
      }
    })
  if (now.answerTokensMax < before.answerTokensMax)
    changes.push({
      fields: { answerTokens: now.answerTokensMax },
      message: 'the endpoint gives shorter answers than were asked for; set answerTokens of the target',
    })
  if (now.contextTokens < before.contextTokens)
    changes.push({
      fields: { contextTokens: now.contextTokens },
      message: "the model's context is smaller than prompt and answer; set contextTokens of the target",
    })
  if (now.takesNoSystem && !before.takesNoSystem)
    changes.push({
      fields: {},
      message: 'the model takes no system prompt; it stands before the first question from now on',
    })
  return changes
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
