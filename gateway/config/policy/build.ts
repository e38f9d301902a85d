/** The policy, from a file that was found whole and from the environment; or from the environment alone. */
import { createHash } from 'node:crypto'
import type {
  CachePolicy,
  ConnectionPolicy,
  LimitsPolicy,
  ModelAlias,
  NamedSecret,
  Policy,
  Price,
  PrivacyPolicy,
  RequestPolicy,
  RetryPolicy,
  Scope,
  ScopeLimits,
  TargetPolicy,
  TenantPrivacy,
} from '../../../orchestrator/policy.ts'
import { proxyFor, proxySecret } from '../proxies.ts'
import { Secret } from '../secret.ts'
import type { Config } from '../shape.ts'
import { micros } from './money.ts'
import { readPattern } from './pattern.ts'
import type { IsSet } from './references.ts'
import type { PolicyFile, PrivacyInFile, ScopesInFile, SecretReference } from './schema.ts'

export interface PolicyParts {
  readonly file: PolicyFile
  readonly config: Config
  readonly isSet: IsSet
  /** Where the provider is, when neither file nor environment name one. Up to and with `/v1`. */
  readonly bundledProviderUrl: string | undefined
  secretOf(reference: SecretReference): Secret
  wordsOf(path: string): readonly string[]
  pemOf(path: string): string
}

/** `file` was checked: what it names is there. */
export function buildPolicy(parts: PolicyParts): Policy {
  const { file } = parts
  return {
    ...answering(parts),
    retry: retryOf(parts),
    breaker: file.breaker,
    limits: limitsOf(parts),
    privacy: privacyOf(parts),
    cache: cacheOf(file),
  }
}

type Answering = Pick<Policy, 'defaultModel' | 'models' | 'otherModels' | 'targets'>

function answering(parts: PolicyParts): Answering {
  const { models, targets, defaultModel, otherModels } = parts.file
  if (models === undefined || targets === undefined) return answeringOfEnvironment(parts)
  const [firstModel = ''] = Object.keys(models)
  return {
    defaultModel: defaultModel ?? firstModel,
    models: new Map(Object.entries(models).map(([name, alias]) => [name, aliasOf(alias)])),
    otherModels: otherModels ?? 'refuse',
    targets: new Map(Object.entries(targets).map(([name, target]) => [name, targetOf(name, target, parts)])),
  }
}

function aliasOf({ targets, offline }: NonNullable<PolicyFile['models']>[string]): ModelAlias {
  return { targets, ...(offline !== undefined && { offline }) }
}

function targetOf(name: string, target: NonNullable<PolicyFile['targets']>[string], parts: PolicyParts): TargetPolicy {
  const { baseUrl, model, provider, limits, price, reasoning, thinkTags, answerTokens, contextTokens } = target
  const keys = (target.keys ?? []).map((key) => parts.secretOf(key))
  return {
    name,
    baseUrl,
    model,
    provider,
    keys: keys.length === 0 ? [noKey] : keys,
    limits,
    reasoning,
    ...(thinkTags !== undefined && { thinkTags }),
    ...(price !== undefined && { price: priceOf(price, parts.file.limits.currency) }),
    ...(answerTokens !== undefined && { answerTokens }),
    ...(contextTokens !== undefined && { contextTokens }),
    request: requestOf(target.request, parts),
    connection: connectionOf(baseUrl, target.connection, parts),
  }
}

type TargetInFile = NonNullable<PolicyFile['targets']>[string]

function requestOf(
  { streamOptions, keyHeader, headers, ...request }: TargetInFile['request'],
  parts: PolicyParts,
): RequestPolicy {
  const values = Object.entries(headers).map(
    ([name, value]) => [name.toLowerCase(), typeof value === 'string' ? value : namedSecret(value, parts)] as const,
  )
  return { ...request, sendsStreamOptions: streamOptions, keyHeader: keyHeader.toLowerCase(), headers: new Map(values) }
}

function namedSecret(reference: SecretReference, parts: PolicyParts): NamedSecret {
  const { env, file } = reference
  return { from: env === undefined ? `file ${file}` : `env ${env}`, secret: parts.secretOf(reference) }
}

function connectionOf(baseUrl: string, connection: TargetInFile['connection'], parts: PolicyParts): ConnectionPolicy {
  const { caFile, certFile, keyFile } = connection
  const proxy = proxyOf(baseUrl, connection.proxy, parts)
  return {
    ...(proxy !== undefined && { proxy }),
    ...(caFile !== undefined && { ca: parts.pemOf(caFile) }),
    ...(certFile !== undefined &&
      keyFile !== undefined && {
        clientCertificate: { certificate: parts.pemOf(certFile), key: pemSecret(parts.pemOf(keyFile)) },
      }),
  }
}

/** Undefined: straight. What the target says goes before the environment. */
function proxyOf(
  baseUrl: string,
  proxy: string | SecretReference | undefined,
  parts: PolicyParts,
): NamedSecret | undefined {
  if (proxy === 'none') return undefined
  if (typeof proxy === 'string') return { from: proxy, secret: proxySecret(proxy) }
  if (proxy !== undefined) return namedSecret(proxy, parts)
  const secret = proxyFor(new URL(baseUrl), parts.config.proxies)
  return secret && { from: 'the environment', secret }
}

/** Named by its hash: another key in the same file is another one. */
function pemSecret(pem: string): NamedSecret {
  return { from: createHash('sha256').update(pem).digest('base64'), secret: new Secret(pem) }
}

/** What is sent to an endpoint that asks for no key; the header cannot be left out. */
const noKey = new Secret('none')

function priceOf(price: { input: string; cachedInput?: string | undefined; output: string }, currency: string): Price {
  const { input, cachedInput = input, output } = price
  return { currency, input: micros(input), cachedInput: micros(cachedInput), output: micros(output) }
}

/** One model at one target, both by the model's name. The bundled server takes settings in the model's name. */
function answeringOfEnvironment(parts: PolicyParts): Answering {
  const { file, config, bundledProviderUrl } = parts
  const { endpoint, model } = config.provider
  const isBundled = endpoint.kind === 'bundled'
  const name = isBundled ? 'bundled' : 'openai'
  const baseUrl = isBundled ? bundledProviderUrl : endpoint.baseUrl
  if (baseUrl === undefined) throw new Error('unable to build the policy: no provider')
  const key = isBundled ? undefined : endpoint.apiKey
  const asked = { name, baseUrl, model, provider: 'openai', keys: [key ?? noKey], limits: unlimited }
  const proxy = isBundled ? undefined : proxyOf(baseUrl, undefined, parts)
  const way = proxy && { connection: { proxy } }
  const target: TargetPolicy = { ...asked, ...way, reasoning: isBundled ? 'none' : 'hidden' }
  return {
    defaultModel: model,
    models: new Map([[model, { targets: [{ target: name, tier: 1, weight: 1 }] }]]),
    otherModels: file.otherModels ?? (isBundled ? 'pass' : 'refuse'),
    targets: new Map([[name, target]]),
  }
}

const unlimited = { concurrent: 0, requestsPerMinute: 0, tokensPerMinute: 0, waiting: 100 }

/** Of the time in which targets are tried, the first one's silence must leave some to the next. */
const firstContentStandardMs = 10_000

function retryOf({ file, config, isSet }: PolicyParts): RetryPolicy {
  const { firstTokenTimeoutMs, idleTimeoutMs } = config.provider
  const { totalMs = Math.max(firstTokenTimeoutMs, file.retry.firstContentMs ?? 0), firstContentMs } = file.retry
  const standard = isSet('SLUICE_FIRST_TOKEN_TIMEOUT_MS') ? firstTokenTimeoutMs : firstContentStandardMs
  return {
    ...file.retry,
    totalMs,
    firstContentMs: firstContentMs ?? Math.min(standard, totalMs),
    silenceMs: file.retry.silenceMs ?? idleTimeoutMs,
  }
}

const noLimits: ScopeLimits = {
  messagesPerMinute: 0,
  tokensPerMinute: 0,
  runningTurns: 0,
  microsPerDay: 0,
  microsPerMonth: 0,
}

function limitsOf({ file: { limits }, config }: PolicyParts): LimitsPolicy {
  const { messagesPerMinute } = config.limits
  const perMinute = messagesPerMinute === 'unlimited' ? 0 : messagesPerMinute
  const scopes = scopesOf(limits, {
    subject: { ...noLimits, messagesPerMinute: perMinute },
    project: noLimits,
    tenant: noLimits,
  })
  return {
    currency: limits.currency,
    inputTokens: limits.inputTokens,
    answerTokens: limits.answerTokens ?? config.provider.answerTokens,
    scopes,
    tenants: new Map(Object.entries(limits.tenants).map(([name, own]) => [name, scopesOf(own, scopes)])),
  }
}

type Scopes = Readonly<Record<Scope, ScopeLimits>>

function scopesOf(own: ScopesInFile, standard: Scopes): Scopes {
  return {
    subject: scopeOf(own.subject, standard.subject),
    project: scopeOf(own.project, standard.project),
    tenant: scopeOf(own.tenant, standard.tenant),
  }
}

function scopeOf(own: ScopesInFile['subject'], standard: ScopeLimits): ScopeLimits {
  const { perDay, perMonth } = own ?? {}
  return {
    messagesPerMinute: own?.messagesPerMinute ?? standard.messagesPerMinute,
    tokensPerMinute: own?.tokensPerMinute ?? standard.tokensPerMinute,
    runningTurns: own?.runningTurns ?? standard.runningTurns,
    microsPerDay: perDay === undefined ? standard.microsPerDay : micros(perDay),
    microsPerMonth: perMonth === undefined ? standard.microsPerMonth : micros(perMonth),
  }
}

const noPrivacy: TenantPrivacy = { redact: [], custom: [], filter: { words: [] } }

function privacyOf(parts: PolicyParts): PrivacyPolicy {
  const { privacy } = parts.file
  const everybody = tenantPrivacy(privacy, noPrivacy, parts)
  const tenants = Object.entries(privacy.tenants).map(
    ([name, own]) => [name, tenantPrivacy(own, everybody, parts)] as const,
  )
  return { everybody, tenants: new Map(tenants) }
}

function tenantPrivacy(own: PrivacyInFile, standard: TenantPrivacy, parts: PolicyParts): TenantPrivacy {
  return {
    redact: own.redact === undefined ? standard.redact : [...new Set(own.redact)],
    custom: own.custom?.map(({ name, pattern }) => ({ name, pattern: compiled(pattern) })) ?? standard.custom,
    filter: own.filter === undefined ? standard.filter : filterOf(own.filter, parts),
  }
}

function compiled(source: string): RegExp {
  const read = readPattern(source)
  if (read.kind === 'wrong') throw new Error('unable to build the policy: a pattern was not checked')
  return read.pattern
}

function filterOf(filter: NonNullable<PrivacyInFile['filter']>, parts: PolicyParts): TenantPrivacy['filter'] {
  const { words, wordsFile, moderation } = filter
  const all = new Set([...words, ...(wordsFile === undefined ? [] : parts.wordsOf(wordsFile))])
  if (moderation === undefined) return { words: [...all] }
  const { url, key, model } = moderation
  const proxy = proxyFor(new URL(url), parts.config.proxies)
  const named = { ...(key !== undefined && { key: parts.secretOf(key) }), ...(proxy !== undefined && { proxy }) }
  return { words: [...all], moderation: { url, model, ...named } }
}

function cacheOf({ cache: { enabled, ...bounds } }: PolicyFile): CachePolicy {
  return { isOn: enabled, ...bounds }
}
