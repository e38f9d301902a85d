import { SignJWT } from 'jose'
import { z } from 'zod'
import { tokenFetchesMax, tokenFetchMaxMs } from './bounds.ts'
import type { RunPlan } from './plan.ts'

/** A token for a subject; rejects with what is wrong. */
export type TokenSource = (subject: string) => Promise<string>

/** Signs tokens, or fetches them, no more than `tokenFetchesMax` at once. */
export function tokenSource({ tokens }: RunPlan): TokenSource {
  if (tokens.from === 'secret') return (subject) => signed(tokens, subject)
  const atOnce = limited(tokenFetchesMax)
  return (subject) => atOnce(() => fetched(tokens.url, subject))
}

async function signed(options: Extract<RunPlan['tokens'], { from: 'secret' }>, subject: string): Promise<string> {
  const { secret, tenant, project, scope, issuer, audience, lifeMs } = options
  const nowSeconds = Math.floor(Date.now() / 1_000)
  const token = new SignJWT({ ...(tenant && { tenant }), ...(project && { project }), ...(scope && { scope }) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.ceil(lifeMs / 1_000))
  if (issuer !== undefined) token.setIssuer(issuer)
  if (audience !== undefined) token.setAudience(audience)
  return token.sign(new TextEncoder().encode(secret))
}

const answered = z.object({ token: z.string() })

async function fetched(base: string, subject: string): Promise<string> {
  const url = new URL(base)
  url.searchParams.set('subject', subject)
  const answer = await fetch(url, { signal: AbortSignal.timeout(tokenFetchMaxMs) })
  const body = await answer.text()
  if (!answer.ok)
    throw new Error(`unable to get a token from ${base}: ${answer.status} ${body.slice(0, 200)}; give --secret-env`)
  return answered.parse(JSON.parse(body)).token
}

/** Runs what it is given, so many at once, the rest in order. */
function limited(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = []
  let runningCount = 0
  return async (work) => {
    if (runningCount >= most) await new Promise<void>((resolve) => waiting.push(resolve))
    else runningCount++
    try {
      return await work()
    } finally {
      // The place is handed on, or given back.
      const next = waiting.shift()
      if (next === undefined) runningCount--
      else next()
    }
  }
}
