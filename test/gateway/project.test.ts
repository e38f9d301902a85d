import { describe, expect, test } from 'vitest'
import type { Policy } from '../../orchestrator/policy.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { noLimits } from '../support/policy.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

/** A micro for each token, and so much a day for each project: some answers of at most 100 tokens. */
function priced(policy: Policy): Policy {
  const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000 }
  const project = { ...noLimits, microsPerDay: 1_000 }
  return {
    ...policy,
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, price }])),
    limits: { ...policy.limits, answerTokens: 100, scopes: { ...policy.limits.scopes, project } },
  }
}

let messages = 0

/** Two ways in to one gateway, as one subject. */
function peopleOf(gateway: TestGateway) {
  const authorized = async (project: string | undefined, scope = 'chat history admin') => ({
    authorization: `Bearer ${await gateway.token('ada', { scope, ...(project && { project }) })}`,
    'content-type': 'application/json',
  })
  const post = async (path: string, project: string | undefined, body: object) => {
    const headers = await authorized(project)
    return fetch(`${gateway.httpUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  }
  return {
    async session(project?: string): Promise<string> {
      const made: { readonly session: string } = await (await post('/v1/sessions', project, {})).json()
      return made.session
    },
    async overHttp(session: string, project?: string): Promise<number> {
      const body = { content: 'How much?\n[[tokens=20]]', messageId: `m-${++messages}` }
      return (await post(`/v1/sessions/${session}/messages`, project, body)).status
    },
    async overSocket(session: string, project?: string): Promise<string> {
      const client = await WireClient.connect(gateway.url, await gateway.token('ada', project ? { project } : {}))
      await client.ask({ type: 'session.open', session }, 'session.opened')
      const content = 'How much?\n[[tokens=20]]'
      const message = { type: 'message.send', session, id: 'send', messageId: `m-${++messages}`, content } as const
      client.send(message)
      const end = await Promise.race([client.next('turn.completed'), client.next('error')])
      client.close()
      return end.type === 'error' ? end.kind : end.type
    },
    async spent(project: string): Promise<number> {
      const headers = await authorized(project)
      const report = await (await fetch(`${gateway.httpUrl}/v1/usage`, { headers })).json()
      return Number(report.project.day)
    },
  }
}

describe.each(testedTransports)('the project of a token over %s', (transport) => {
  test('[BUDGET-149] pays for an answer, also in a session that was made without one', async () => {
    await using gateway = await startTestGateway({ transport, policy: priced })
    const { session, overHttp, overSocket, spent } = peopleOf(gateway)
    const open = await session()
    expect([await overHttp(open, 'b'), await overSocket(open, 'b')]).toEqual([200, 'turn.completed'])
    expect(await spent('b')).toBeGreaterThan(0)
    let refused: number | undefined
    for (let tries = 0; tries < 30 && refused === undefined; tries++) {
      const status = await overHttp(open, 'b')
      if (status !== 200) refused = status
    }
    expect(refused).toBe(402)
    expect(await overSocket(open, 'b')).toBe('over-budget')
    expect(await overHttp(open, 'a')).toBe(200)
  })

  test('[BUDGET-149] is the only one that goes on with a session that it made', async () => {
    await using gateway = await startTestGateway({ transport, policy: priced })
    const { session, overHttp, overSocket, spent } = peopleOf(gateway)
    const ofA = await session('a')
    expect(await overHttp(ofA, 'a')).toBe(200)
    const before = await spent('a')
    for (const other of [undefined, 'b']) {
      expect(await overHttp(ofA, other)).toBe(403)
      expect(await overSocket(ofA, other)).toBe('forbidden')
    }
    expect([await spent('a'), await spent('b')]).toEqual([before, 0])
  })

  test('[BUDGET-149] is named in the message, for who takes the turn over', async () => {
    await using gateway = await startTestGateway({ transport, policy: priced })
    const { session } = peopleOf(gateway)
    const open = await session()
    const client = await WireClient.connect(gateway.url, await gateway.token('ada', { project: 'b' }))
    await client.ask({ type: 'session.open', session: open }, 'session.opened')
    client.send({ type: 'message.send', id: 'send', session: open, messageId: 'm', content: 'Whose?' })
    expect(await client.next('message.added')).toMatchObject({ project: 'b' })
    client.close()
  })
})
