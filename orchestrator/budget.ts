/**
 * What turns cost, and what is said when a budget does not allow one more.
 *
 * Money is whole numbers: a price is in picounits a token, so an attempt costs `tokens · price` picounits, exactly. They
 * are summed over the turn's attempts and only then rounded, up to a whole micro (a millionth of the currency), which is
 * what the books count; so many small calls cost what they cost, and none is free.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import type { Cost, Usage } from '../protocol/shapes.ts'
import type { Amounts, Overrun } from './budget-port.ts'
import {
  answerTokensOf,
  type LimitsPolicy,
  type ModelAlias,
  type Policy,
  type Price,
  type Scope,
  type ScopeLimits,
} from './policy.ts'

const picosPerMicro = 1_000_000n
const microsPerUnit = 1_000_000

/** Of one attempt, in picounits. Cached tokens are among the input's. */
export function picosOf({ inputTokens, outputTokens, cachedTokens = 0 }: Omit<Usage, 'source'>, price: Price): bigint {
  const cached = Math.min(cachedTokens, inputTokens)
  const uncached = inputTokens - cached
  return picos(uncached, price.input) + picos(cached, price.cachedInput) + picos(outputTokens, price.output)
}

/** Of a whole turn, in micros. */
export function microsOf(turnPicos: bigint): number {
  return Number((turnPicos + picosPerMicro - 1n) / picosPerMicro)
}

/** As a turn's terminal record says it. */
export function costFor(micros: number, currency: string): Cost {
  return { amount: formatAmount(micros), currency }
}

/** A decimal number without trailing zeros: `1.5`, `0.000001`, `0`. */
export function formatAmount(micros: number): string {
  const digits = decimals(micros).replace(/0+$/, '')
  return digits === '' ? units(micros) : `${units(micros)}.${digits}`
}

/** With no more off for what is cached than the prompt costs anyway. */
export function dearest(price: Price): Price {
  return { ...price, input: Math.max(price.input, price.cachedInput) }
}

/**
 * What a turn's first call may use at most: all of its prompt and the longest answer, as if the dearest target of the alias
 * answered and nothing was cached. Further calls reserve their own. Targets without a price cost nothing.
 */
export function estimateTurn(
  targets: Policy['targets'],
  alias: ModelAlias,
  tokens: { readonly prompt: number; readonly answer: number },
): Amounts {
  const amounts = alias.targets.map(({ target: name }) => {
    const target = targets.get(name)
    const outputTokens = answerTokensOf(target, tokens.answer)
    const all = tokens.prompt + outputTokens
    if (target?.price === undefined) return { tokens: all, micros: 0 }
    return {
      tokens: all,
      micros: microsOf(picosOf({ inputTokens: tokens.prompt, outputTokens }, dearest(target.price))),
    }
  })
  return {
    tokens: Math.max(...amounts.map((amount) => amount.tokens)),
    micros: Math.max(...amounts.map((amount) => amount.micros)),
  }
}

/** A message that is longer than one may be; `undefined`: it is not. `tokens`: at most. */
export function refuseInput(tokens: number, { inputTokens }: Pick<LimitsPolicy, 'inputTokens'>): Refusal | undefined {
  if (inputTokens === 0 || tokens <= inputTokens) return undefined
  return refusal('too-large', `the message may have ${tokens} tokens, more than the ${inputTokens} allowed; shorten it`)
}

/**
 * Whose limit it is, which, and when to come back: `rate-limited` for a minute's, `busy` for running turns, `over-budget`
 * for money. What is alone more than the limit is not worth sending again: `too-large` for tokens, and `over-budget`.
 */
export function refuseOverrun(overrun: Overrun, limits: ScopeLimits, currency: string): Refusal {
  const { scope, limit, retryAfterMs } = overrun
  const allowed = `${whose[scope]} may ${allowance(limit, limits[limit], currency)}`
  if (retryAfterMs !== undefined) return refusal(kinds[limit], `${allowed}; ${comeBack(retryAfterMs)}`, retryAfterMs)
  const kind = limit === 'tokensPerMinute' ? 'too-large' : kinds[limit]
  const advice = `this message and its answer alone could take more${kind === 'too-large' ? ': shorten it' : ''}`
  return { ...refusal(kind, `${allowed}; ${advice}`), retryable: false }
}

const kinds = {
  messagesPerMinute: 'rate-limited',
  tokensPerMinute: 'rate-limited',
  runningTurns: 'busy',
  microsPerDay: 'over-budget',
  microsPerMonth: 'over-budget',
} as const satisfies Readonly<Record<keyof ScopeLimits, Refusal['kind']>>

const whose: Readonly<Record<Scope, string>> = { subject: 'you', project: 'this project', tenant: 'this tenant' }

function allowance(limit: keyof ScopeLimits, most: number, currency: string): string {
  switch (limit) {
    case 'messagesPerMinute':
      return `send ${counted(most, 'message')} a minute`
    case 'tokensPerMinute':
      return `use ${counted(most, 'token')} a minute`
    case 'runningTurns':
      return `have ${counted(most, 'answer')} under way`
    case 'microsPerDay':
      return `spend ${formatBudget(most, currency)} a day`
    case 'microsPerMonth':
      return `spend ${formatBudget(most, currency)} a month`
    default:
      return assertNever(limit)
  }
}

/** As people write money: at least two digits behind the point. */
function formatBudget(micros: number, currency: string): string {
  const [whole = '', digits = ''] = formatAmount(micros).split('.')
  return `${whole}.${digits.padEnd(2, '0')} ${currency}`
}

/** Never sooner than it is: rounded up to the second, the minute from two minutes on, the hour, the day. */
function comeBack(ms: number): string {
  const [size, name] = steps.find(([stepMs]) => ms >= 2 * stepMs) ?? ([1_000, 'second'] as const)
  return `send again in ${counted(Math.ceil(ms / size), name)}`
}

const steps = [
  [86_400_000, 'day'],
  [3_600_000, 'hour'],
  [60_000, 'minute'],
] as const

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? '' : 's'}`
}

function picos(tokens: number, price: number): bigint {
  return BigInt(tokens) * BigInt(price)
}

function units(micros: number): string {
  return String(Math.floor(micros / microsPerUnit))
}

function decimals(micros: number): string {
  return String(micros % microsPerUnit).padStart(6, '0')
}

function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`)
}
