import { describe, expect, test } from 'vitest'
import type { Policy } from '../../../orchestrator/policy.ts'
import { noLimits } from '../../support/policy.ts'
import { testedTransports } from '../../support/transports.ts'
import { jsonOf, newSession, startStation } from './station.ts'

/** A micro for each token, and an allowance. */
function priced(policy: Policy): Policy {
  const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000 }
  const subject = { ...noLimits, microsPerMonth: 5_000_000 }
  return {
    ...policy,
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, price }])),
    limits: { ...policy.limits, scopes: { ...policy.limits.scopes, subject } },
  }
}

describe.each(testedTransports)('usage on %s', (transport) => {
  test('[HTTP-52] a subject sees what it and its session used, an admin the tenant too, and nobody another’s session', async () => {
    await using station = await startStation({ transport, policy: priced })
    const session = await newSession(station)
    const body = { content: 'How much?\n[[tokens=20]]', messageId: 'm' }
    const end = await jsonOf(await station.call(`/v1/sessions/${session}/messages`, { method: 'POST', body }))
    const { amount } = (end.cost ?? {}) as { amount?: string }
    expect(Number(amount)).toBeGreaterThan(0)
    const read = async (path: string, scope: string, subject = 'ann') => {
      const authorization = `Bearer ${await station.token(subject, scope)}`
      return fetch(station.url + path, { headers: { authorization } })
    }
    const own = await jsonOf(await read(`/v1/usage?session=${session}`, 'chat'))
    expect(own).toEqual({
      currency: 'USD',
      subject: {
        day: amount,
        month: amount,
        held: '0',
        runningTurns: 0,
        limits: { messagesPerMinute: 0, tokensPerMinute: 0, runningTurns: 0, day: '0', month: '5' },
      },
      session: { tokens: Math.round(Number(amount) * 1_000_000), amount },
    })
    expect(await jsonOf(await read('/v1/usage', 'chat admin'))).toMatchObject({ tenant: { day: amount } })
    expect((await read(`/v1/usage?session=${session}`, 'chat', 'bob')).status).toBe(404)
    expect((await read('/v1/usage', 'admin')).status).toBe(403)
  })
})
