/** A policy in lines for an operator's terminal: who answers, and what is on. Without a secret. */
import type {
  LimitsPolicy,
  Policy,
  Scope,
  ScopeLimits,
  TargetPolicy,
  TenantPrivacy,
} from '../../../orchestrator/policy.ts'
import { proxyText } from '../proxies.ts'
import { amountText } from './money.ts'

export function describePolicy(policy: Policy): readonly string[] {
  const { models, targets, defaultModel, otherModels, retry, cache, limits, privacy } = policy
  return [
    'models',
    ...[...models].map(([name, alias]) => {
      const chain = alias.targets.map(({ target, tier, weight }) => `${target} (tier ${tier}, weight ${weight})`)
      const isDefault = name === defaultModel ? ' (default)' : ''
      return `  ${name}${isDefault} → ${chain.join(', ')}${alias.offline === undefined ? '' : ', else the offline text'}`
    }),
    `  other names are ${otherModels === 'pass' ? 'passed on' : 'refused'}`,
    'targets',
    ...[...targets.values()].map((target) => `  ${targetText(target, limits.currency)}`),
    `limits: ${scopesText(limits.scopes, limits)}`,
    ...[...limits.tenants].map(([name, scopes]) => `  tenant ${name}: ${scopesText(scopes, limits)}`),
    `privacy: ${privacyText(privacy.everybody)}`,
    ...[...privacy.tenants].map(([name, own]) => `  tenant ${name}: ${privacyText(own)}`),
    `an answer that breaks: ${retry.afterContent}, ${retry.breaks} times`,
    `cache: ${cache.isOn ? `${cache.maxEntries} answers, ${cache.maxBytes} bytes, ${cache.ttlMs} ms` : 'off'}`,
  ]
}

function targetText({ name, model, baseUrl, keys, price, connection }: TargetPolicy, currency: string): string {
  const count = keys.some((key) => key.reveal() !== 'none') ? `keys: ${keys.length}` : 'no key'
  const costs = price && `${amountText(price.input)}/${amountText(price.cachedInput)}/${amountText(price.output)}`
  const priced = costs === undefined ? 'no price' : `${costs} ${currency} a million tokens (input/cached/output)`
  const proxy = connection?.proxy === undefined ? '' : ` by the proxy ${proxyText(connection.proxy.secret.reveal())}`
  return `${name}: ${model} at ${withoutQuery(baseUrl)}${proxy}, ${count}, ${priced}`
}

/** A query may be a key. */
function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/, '')
}

function scopesText(scopes: LimitsPolicy['scopes'], { currency }: LimitsPolicy): string {
  const texts = (['subject', 'project', 'tenant'] satisfies Scope[]).flatMap((scope) => {
    const text = scopeText(scopes[scope], currency)
    return text === '' ? [] : [`${scope} ${text}`]
  })
  return texts.length === 0 ? 'none' : texts.join('; ')
}

function scopeText(limits: ScopeLimits, currency: string): string {
  const parts = [
    limits.messagesPerMinute > 0 && `${limits.messagesPerMinute} messages a minute`,
    limits.tokensPerMinute > 0 && `${limits.tokensPerMinute} tokens a minute`,
    limits.runningTurns > 0 && `${limits.runningTurns} answers at once`,
    limits.microsPerDay > 0 && `${amountText(limits.microsPerDay)} ${currency} a day`,
    limits.microsPerMonth > 0 && `${amountText(limits.microsPerMonth)} ${currency} a month`,
  ]
  return parts.filter((part) => part !== false).join(', ')
}

function privacyText({ redact, custom, filter }: TenantPrivacy): string {
  const kinds = [...redact, ...custom.map(({ name }) => name)]
  const redacted = kinds.length === 0 ? 'nothing redacted' : `${kinds.join(', ')} redacted`
  const moderated = filter.moderation === undefined ? '' : `, moderated by ${filter.moderation.model}`
  return `${redacted}, ${filter.words.length} filtered words${moderated}`
}
