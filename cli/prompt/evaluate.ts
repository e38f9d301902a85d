/** Asks a target with each variant of a prompt for each case, a bounded number at once, and judges the answers. */

import type { Provider, ProviderEnd, ProviderMessage } from '../../orchestrator/ports.ts'
import type { PromptVersion } from '../../orchestrator/prompts/prompts.ts'
import { type Answer, type Check, checkAnswer, type EvalCase } from './cases.ts'

/** The longest answer, in tokens, and the longest wait for one, in milliseconds; above, it counts as failed. */
const answerTokens = 4_096
const answerMs = 120_000

export interface Variant {
  /** As it was asked for: `name@label`. */
  readonly reference: string
  readonly version: PromptVersion
}

export interface Result {
  readonly variant: string
  readonly answer: string
  readonly durationMs: number
  readonly usage?: NonNullable<ProviderEnd['usage']>
  /** Why there is no whole answer. */
  readonly error?: string
  readonly checks: readonly Check[]
  readonly passed: boolean
}

export interface CaseReport {
  readonly name: string
  readonly messages: readonly string[]
  /** In the order of the variants. */
  readonly results: readonly Result[]
}

export interface EvaluateOptions {
  readonly provider: Provider
  readonly model: string
  readonly apiKey: string
  /** Calls at once. */
  readonly concurrency: number
  /** A result came, in whatever order. */
  readonly done: (name: string, result: Result) => void
}

export async function evaluate(
  cases: readonly EvalCase[],
  variants: readonly Variant[],
  options: EvaluateOptions,
): Promise<readonly CaseReport[]> {
  const jobs = cases.flatMap((one) => variants.map((variant) => ({ one, variant })))
  const results: Result[] = []
  let next = 0
  const work = async () => {
    for (let index = next++; index < jobs.length; index = next++) {
      const job = jobs[index]
      if (job === undefined) return
      const result = await judge(job.one, job.variant, options)
      results[index] = result
      options.done(job.one.name, result)
    }
  }
  await Promise.all(Array.from({ length: options.concurrency }, work))
  return cases.map(({ name, messages }, index) => ({
    name,
    messages,
    results: results.slice(index * variants.length, (index + 1) * variants.length),
  }))
}

async function judge(one: EvalCase, variant: Variant, options: EvaluateOptions): Promise<Result> {
  const startedMs = performance.now()
  const given = Object.entries(one.values ?? {}).filter((pair): pair is [string, string] => pair[1] !== undefined)
  const today = new Date().toISOString().slice(0, 10)
  const values = { date: today, model: options.model, tenant: 'default', ...Object.fromEntries(given) }
  const messages: ProviderMessage[] = [{ role: 'system', content: variant.version.render(values) }]
  let reply: Reply = { text: '' }
  for (const content of one.messages) {
    messages.push({ role: 'user', content })
    reply = await ask(messages, options)
    messages.push({ role: 'assistant', content: reply.text })
    if (reply.error !== undefined) break
  }
  const checks = checkAnswer(one.expect, reply)
  const { text: answer, error, usage } = reply
  return {
    variant: variant.reference,
    answer,
    durationMs: Math.round(performance.now() - startedMs),
    ...(usage && { usage }),
    ...(error !== undefined && { error }),
    checks,
    passed: error === undefined && checks.every(({ passed }) => passed),
  }
}

interface Reply extends Answer {
  readonly usage?: NonNullable<ProviderEnd['usage']>
  readonly error?: string
}

/** Never rejects: what goes wrong is in the reply, with the text so far. */
function ask(messages: readonly ProviderMessage[], { provider, model, apiKey }: EvaluateOptions): Promise<Reply> {
  return new Promise((resolve) => {
    let text = ''
    const settle = (reply: Omit<Reply, 'text'>) => {
      clearTimeout(timer)
      resolve({ text, ...reply })
    }
    const timer = setTimeout(() => {
      call.close()
      settle({ error: `no whole answer within ${answerMs} ms` })
    }, answerMs)
    const request = { model, messages: [...messages], maxOutputTokens: answerTokens, apiKey }
    const call = provider.call(request, {
      connected: () => undefined,
      started: () => undefined,
      text: (piece) => {
        text += piece
      },
      ended: ({ usage }) => settle(usage === undefined ? {} : { usage, outputTokens: usage.outputTokens }),
      failed: (failure) => settle({ error: failure.refusal.message }),
    })
  })
}
