/**
 * What an operator decides about answers: who answers, at what price, within which limits, and what a provider may see.
 *
 * A value, made whole from the configuration and replaced whole while the gateway runs; a turn keeps the one it began
 * with. Nothing in it is secret but the keys, which show themselves as `[secret]`.
 */

export interface Policy {
  /** The alias that answers when a message names none. */
  readonly defaultModel: string
  readonly models: ReadonlyMap<string, ModelAlias>
  /** What becomes of a model's name that is no alias: refused, or handed as it is to the default alias' targets. */
  readonly otherModels: 'refuse' | 'pass'
  readonly targets: ReadonlyMap<string, TargetPolicy>
  readonly retry: RetryPolicy
  readonly breaker: BreakerPolicy
  readonly limits: LimitsPolicy
  readonly privacy: PrivacyPolicy
  readonly cache: CachePolicy
}

export interface ModelAlias {
  /** At least one. Lower tiers first; within a tier a session keeps to one, chosen by weight. */
  readonly targets: readonly { readonly target: string; readonly tier: number; readonly weight: number }[]
  /** When no target can answer: a text that says so, as an answer of its own; absent: the turn fails. */
  readonly offline?: string
}

/** One model at one provider endpoint. */
export interface TargetPolicy {
  readonly name: string
  /** Up to and with `/v1`. */
  readonly baseUrl: string
  /** As the endpoint calls it. */
  readonly model: string
  /** The provider's name in telemetry, as the GenAI conventions spell it. Default `openai`. */
  readonly provider: string
  /** At least one; the next one is tried when one is refused for its rate or its validity. */
  readonly keys: readonly ApiKey[]
  readonly limits: TargetLimits
  readonly price?: Price
  /**
   * Whether it thinks unseen: a call that ends without a usage is booked with the longest answer then, else with what came.
   * Default `hidden`.
   */
  readonly reasoning?: Reasoning
  /** Thinking that its server leaves in the text: between `<think>` and `</think>`, or up to the closing tag alone. */
  readonly thinkTags?: 'paired' | 'closing'
  /** Tokens of the longest answer asked of it. Default: `limits.answerTokens`. */
  readonly answerTokens?: number
  /** Tokens of a prompt with its answer that the model takes; the history is cut to it. Default: not known. */
  readonly contextTokens?: number
  readonly request?: RequestPolicy
  readonly connection?: ConnectionPolicy
}

/** The parameter that bounds an answer. `auto`: `max_tokens`, and what the endpoint asks for instead once it refused that. */
export type TokenLimit = 'auto' | 'max_tokens' | 'max_completion_tokens' | 'none'

/** How the requests of a target differ from OpenAI's own. */
export interface RequestPolicy {
  /** Default `auto`. */
  readonly tokenLimit?: TokenLimit
  /** Whether the usage of a streamed answer is asked for. Default true. */
  readonly sendsStreamOptions?: boolean
  /** Header of the API key, in small letters. Default `authorization`, which has it as a bearer token. */
  readonly keyHeader?: string
  /** By name, in small letters. */
  readonly headers?: ReadonlyMap<string, string | NamedSecret>
  readonly query?: Readonly<Record<string, string>>
  /** Further members of the body, as JSON. */
  readonly parameters?: RequestParameters
  /** Which of them, and which others, a version of a prompt may set. Default: none. */
  readonly promptMayChange?: readonly string[]
}

export type RequestParameters = Readonly<Record<string, unknown>>

export interface ConnectionPolicy {
  /** URL of an HTTP proxy. Absent: straight. */
  readonly proxy?: NamedSecret
  /** PEM: instead of the authorities that Node trusts. */
  readonly ca?: string
  /** PEM, for a server that asks for a certificate. */
  readonly clientCertificate?: { readonly certificate: string; readonly key: NamedSecret }
}

/** `from` says where it is written, so that two of them can be compared without their values. */
export interface NamedSecret {
  readonly from: string
  readonly secret: ApiKey
}

/** The longest answer asked of a target, in tokens. `standard`: of one that says nothing. */
export function answerTokensOf(target: Pick<TargetPolicy, 'answerTokens'> | undefined, standard: number): number {
  return target?.answerTokens ?? standard
}

/** `visible`: it thinks, and sends all of that too. */
export type Reasoning = 'hidden' | 'visible' | 'none'

/** A secret; it is shown as `[secret]` by JSON and by `inspect`. `reveal` reads what is current: its file may have been rotated. */
export interface ApiKey {
  reveal(): string
}

/** 0: no limit, but of `waiting`. */
export interface TargetLimits {
  readonly concurrent: number
  readonly requestsPerMinute: number
  readonly tokensPerMinute: number
  /** Calls that may wait for a place; one more goes to the next target. 0: none waits. */
  readonly waiting: number
}

/** In millionths of the currency for a million tokens, which is the same as picounits a token. */
export interface Price {
  /** ISO 4217. */
  readonly currency: string
  readonly input: number
  readonly cachedInput: number
  readonly output: number
}

export type AfterContent = 'continue' | 'restart' | 'fail'

/** In milliseconds, where nothing else is said. */
export interface RetryPolicy {
  /** From the first call, or from a break in the middle of an answer, to the last try's first content. Default 30,000. */
  readonly totalMs: number
  /** Calls of one target before the next one's turn. Default 2. */
  readonly triesPerTarget: number
  /** Full jitter: a wait is between 0 and `baseMs · 2ⁿ`, at most `maxMs`, on top of what `Retry-After` asks. */
  readonly baseMs: number
  readonly maxMs: number
  /** Until the connection to a provider stands. */
  readonly connectMs: number
  /** From the call to the first content; never ends the last target's call. */
  readonly firstContentMs: number
  /** From one sign of life to the next: content, thinking, or a comment. */
  readonly silenceMs: number
  /** From the first sign of thinking, or the last content, to the next content. What is thought meanwhile is waited for. */
  readonly thinkingMs: number
  /** What becomes of an answer that breaks in the middle. */
  readonly afterContent: AfterContent
  /** Breaks in the middle of one answer that are mended; one more fails it. */
  readonly breaks: number
  /** What becomes of a first answer without any visible text: it stands, or the next target is asked. */
  readonly emptyAnswer: 'accept' | 'retry'
  /** After this long without content a second target is called too; the first to bring content answers. 0: never. */
  readonly hedgeMs: number
}

/** A target that fails too often is left alone for a while, then tried by single calls. */
export interface BreakerPolicy {
  readonly windowMs: number
  /** Fewer calls in the window prove nothing. */
  readonly minimumCalls: number
  /** 0 to 1: from this share of failures on it is open. */
  readonly errorRatio: number
  readonly openMs: number
  /** Calls at once while it is half open. */
  readonly probes: number
}

/** Of one subject, project or tenant. 0: no limit. */
export interface ScopeLimits {
  readonly messagesPerMinute: number
  readonly tokensPerMinute: number
  readonly runningTurns: number
  /** In millionths of the currency of the budget, by UTC day and calendar month. */
  readonly microsPerDay: number
  readonly microsPerMonth: number
}

export type Scope = 'subject' | 'project' | 'tenant'

export interface LimitsPolicy {
  /** ISO 4217: the currency of all budgets and prices. */
  readonly currency: string
  /** Of one message, estimated. 0: as much as the prompt takes. */
  readonly inputTokens: number
  readonly answerTokens: number
  /** For everybody … */
  readonly scopes: Readonly<Record<Scope, ScopeLimits>>
  /** … and instead of it for tenants by name. */
  readonly tenants: ReadonlyMap<string, Readonly<Record<Scope, ScopeLimits>>>
}

export type IdentifierKind = 'email' | 'phone' | 'card' | 'iban' | 'ip'

export interface TenantPrivacy {
  /** What becomes a placeholder before a provider sees it; none: nothing is redacted. */
  readonly redact: readonly IdentifierKind[]
  /** The pattern has the flags `gu`, a longest match (512 characters) and a bounded number of ways to match. */
  readonly custom: readonly { readonly name: string; readonly pattern: RegExp }[]
  readonly filter: {
    /** An answer with one of them stops as `filtered`. Compared without case, as whole words. */
    readonly words: readonly string[]
    readonly moderation?: {
      readonly url: string
      readonly key?: ApiKey
      readonly model: string
      /** URL of an HTTP proxy. Absent: straight. */
      readonly proxy?: ApiKey
    }
  }
}

export interface PrivacyPolicy {
  readonly everybody: TenantPrivacy
  readonly tenants: ReadonlyMap<string, TenantPrivacy>
}

export interface CachePolicy {
  readonly isOn: boolean
  readonly maxEntries: number
  readonly maxBytes: number
  readonly ttlMs: number
}

/** The longest answer that one of the alias' targets may give, in tokens. */
export function longestAnswer({ targets, limits }: Policy, alias: ModelAlias): number {
  return Math.max(...alias.targets.map(({ target }) => answerTokensOf(targets.get(target), limits.answerTokens)))
}

/** What may be handed to a provider as a model's name where other names are passed on: what names of models are made of. */
const passedModel = /^[\w.:/@+?=&,%~-]{1,128}$/

export function aliasOf(policy: Policy, model: string | undefined): ModelAlias | undefined {
  const alias = policy.models.get(model ?? policy.defaultModel)
  if (alias !== undefined || model === undefined) return alias
  return policy.otherModels === 'pass' && passedModel.test(model) ? policy.models.get(policy.defaultModel) : undefined
}

/** What stands for a name that a client chose freely, in logs, spans and recordings. */
export const otherModel = 'other'

/** A model as telemetry names it: by the operator's alias. Any other name is a client's text. */
export function modelLabel(
  { models, defaultModel }: Pick<Policy, 'models' | 'defaultModel'>,
  model: string | undefined,
): string {
  const named = model ?? defaultModel
  return models.has(named) ? named : otherModel
}

export function limitsFor({ scopes, tenants }: LimitsPolicy, tenant: string): Readonly<Record<Scope, ScopeLimits>> {
  return tenants.get(tenant) ?? scopes
}

/** Whether anything is bounded in these scopes. */
export function isAnyLimited(scopes: Readonly<Record<Scope, ScopeLimits>>): boolean {
  return Object.values(scopes).some((limits) => Object.values(limits).some((limit) => limit > 0))
}

/** Whether the size of a turn counts in one of these scopes. */
export function countsSize(scopes: Readonly<Record<Scope, ScopeLimits>>): boolean {
  return Object.values(scopes).some(
    ({ tokensPerMinute, microsPerDay, microsPerMonth }) => tokensPerMinute + microsPerDay + microsPerMonth > 0,
  )
}

/** The longest prompt that a minute's tokens allow beside an answer of this length. Infinity: they are not counted. */
export function promptTokensAllowed(limits: LimitsPolicy, tenant: string, answerTokens: number): number {
  const perMinute = Object.values(limitsFor(limits, tenant)).map(({ tokensPerMinute }) => tokensPerMinute)
  return Math.min(...perMinute.filter((tokens) => tokens > 0)) - answerTokens
}

export function privacyFor({ everybody, tenants }: PrivacyPolicy, tenant: string): TenantPrivacy {
  return tenants.get(tenant) ?? everybody
}
