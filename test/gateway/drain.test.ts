import { describe, expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { WireClient } from '../support/wire.ts'

describe.each(testedTransports)('leaving over %s', (transport) => {
  test('[DRAIN-1] each client is told another time to reconnect, and none is cut off before its own', async () => {
    await using gateway = await startTestGateway({ transport, env: { SLUICE_DRAIN_MS: '20000' } })
    const token = await gateway.token('ada')
    const clients = [await WireClient.connect(gateway.url, token), await WireClient.connect(gateway.url, token)]
    const drained = gateway.gateway.drain()
    const times: number[] = []
    for (const client of clients) times.push((await client.next('going.away')).reconnectAfterMs)
    expect(new Set(times).size).toBe(2)
    // Still served, though nothing runs here.
    for (const client of clients) await client.ask({ type: 'ping' }, 'pong')
    expect(gateway.gateway.state()).toMatchObject({ isDraining: true, sockets: 2 })
    for (const client of clients) client.close()
    await drained
    expect(gateway.gateway.state().sockets).toBe(0)
  })

  test('[DRAIN-2] a running answer may end, its client reads on; a new message and a new socket are refused', async () => {
    await using gateway = await startTestGateway({ transport })
    const client = await WireClient.connect(gateway.url, await gateway.token('ada'))
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const content = 'to its end\n[[tokens=100 tps=200]]'
    await client.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    await client.next('turn.delta')
    const drained = gateway.gateway.drain()
    await client.next('going.away')
    const other = await client.ask({ type: 'session.open' }, 'session.opened')
    const late = { type: 'message.send', session: other.session, messageId: 'm2', content: 'late' }
    expect((await client.ask(late, 'error')).kind).toBe('unavailable')
    await expect(new WireClient(gateway.url).opened()).rejects.toThrow()
    await client.next('turn.completed')
    client.close()
    await drained
  })

  test('[DRAIN-3] at the deadline what still runs ends as failed, its text kept, and sockets are closed with 4001', async () => {
    await using gateway = await startTestGateway({ transport, env: { SLUICE_DRAIN_MS: '1000' } })
    const client = await WireClient.connect(gateway.url, await gateway.token('ada'))
    const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
    const content = 'without end\n[[tokens=100000 tps=100]]'
    await client.ask({ type: 'message.send', session, messageId: 'm1', content }, 'message.accepted')
    await client.next('turn.delta')
    await gateway.gateway.drain()
    const failed = await client.next('turn.failed')
    expect(failed).toMatchObject({ error: { kind: 'unavailable', retryable: true } })
    expect(failed.bytes).toBeGreaterThan(0)
    expect((await client.closed).code).toBe(closeCodes.goingAway)
  })
})
