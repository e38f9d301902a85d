/** What the client says and does about a token that cannot be had, or that the gateway refuses. */
import { describe, expect, it } from 'vitest'
import type { Effect, Input } from '../../client/event.ts'
import { type ConnectionState, createClient } from '../../client/index.ts'
import type { TokenReason } from '../../client/state.ts'
import { initialState, step } from '../../client/step.ts'
import { connectionState } from '../../client/view.ts'
import { startTestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'

/** The client's core, one event after the other. */
class Core {
  state = initialState()
  nowMs = 1_000
  readonly effects: Effect[] = []

  take(input: Input): void {
    const { state, effects } = step(this.state, { ...input, nowMs: this.nowMs, roll: 0.5 })
    this.state = state
    this.effects.push(...effects)
  }

  count(type: Effect['type']): number {
    return this.effects.filter((effect) => effect.type === type).length
  }

  static greeting(): Core {
    const core = new Core()
    core.take({ type: 'connect' })
    core.take({ type: 'token', ticket: 1, token: 't' })
    core.take({ type: 'socket-opened', socket: 2 })
    return core
  }

  get connection(): ConnectionState {
    return connectionState(this.state)
  }
}

describe('the core', () => {
  it('[CLIENT-300] says why while it waits, and dials no sooner than the gateway asks', () => {
    const core = Core.greeting()
    const error = { kind: 'unavailable', message: 'not yet', retryable: true, retryAfterMs: 20_000 } as const
    core.take({ type: 'frame', socket: 2, frame: { type: 'error', ...error } })
    core.take({ type: 'socket-closed', socket: 2, code: 4102, reason: 'not yet' })
    // Half of the first backoff of 500 ms comes on top.
    expect(core.connection).toEqual({ kind: 'waiting', retryAtMs: 21_250, dials: 1, error })
    core.nowMs = 21_250
    core.take({ type: 'tick' })
    expect(core.state.link.kind).toBe('dialing')
  })

  it('[CLIENT-300] waits at most a minute, whatever it is asked', () => {
    const core = Core.greeting()
    const error = { kind: 'unavailable', message: 'later', retryable: true, retryAfterMs: 3_600_000 } as const
    core.take({ type: 'frame', socket: 2, frame: { type: 'error', ...error } })
    core.take({ type: 'socket-closed', socket: 2, code: 4102, reason: '' })
    expect(core.connection).toMatchObject({ retryAtMs: 61_250 })
  })
})

describe.each(testedTransports)('against a gateway over %s', (transport) => {
  it('[CLIENT-301] a token that is too large is given up after four tries, with what to do about it', async () => {
    await using gateway = await startTestGateway({ transport, env: { SLUICE_HELLO_DEADLINE_MS: '600000' } })
    for (const length of [17_000, 40_000]) {
      const asked: TokenReason[] = []
      const getToken = (reason: TokenReason) => {
        asked.push(reason)
        return 'x'.repeat(length)
      }
      const client = createClient({ url: gateway.url, getToken, limits: { backoffBaseMs: 1, backoffCapMs: 1 } })
      const stopped = new Promise<ConnectionState>((resolve) => {
        client.subscribe((state) => state.kind === 'stopped' && resolve(state))
      })
      client.connect()
      expect(await stopped).toMatchObject({ code: 4400, reason: expect.stringMatching(/fewer claims/) })
      expect(asked).toEqual(['first', 'refused', 'refused', 'refused'])
    }
  })

  it('[CLIENT-302] stops after four refused tokens, and its state and the refused calls say why in full', async () => {
    await using gateway = await startTestGateway({ transport })
    const asked: TokenReason[] = []
    const client = createClient({
      url: gateway.url,
      getToken: (reason) => {
        asked.push(reason)
        return 'no token at all'
      },
      limits: { backoffBaseMs: 1, backoffCapMs: 1 },
    })
    const stopped = new Promise<ConnectionState>((resolve) => {
      client.subscribe((state) => state.kind === 'stopped' && resolve(state))
    })
    client.connect()
    const call = client.listSessions().catch((error: unknown) => error)
    expect(await stopped).toMatchObject({ code: 4400, reason: expect.stringContaining('not a signed JWT') })
    expect(asked).toEqual(['first', 'refused', 'refused', 'refused'])
    const error = { kind: 'unauthenticated', message: expect.stringContaining('not a signed JWT'), retryable: false }
    expect(await call).toMatchObject(error)
    expect(await client.listSessions().catch((late: unknown) => late)).toMatchObject(error)
  })

  it.each<[string, () => unknown, RegExp]>([
    ['throws', () => Promise.reject(new Error('401 from /token')), /getToken failed: Error: 401 from/],
    ['gives nothing', () => undefined, /gave no text/],
    ['gives the whole answer of its route', () => ({ token: 'a.b.c' }), /gave no text/],
  ])('[CLIENT-303] a getToken that %s dials nothing, and the state says why', async (_what, getToken, message) => {
    await using gateway = await startTestGateway({ transport })
    let dials = 0
    const NoSocket = class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols)
        dials += 1
      }
    }
    // Boundary: an application without types.
    const typeless = getToken as () => string
    const client = createClient({ url: gateway.url, getToken: typeless, WebSocket: NoSocket })
    const waiting = new Promise<ConnectionState>((resolve) => {
      client.subscribe((state) => state.kind === 'waiting' && resolve(state))
    })
    client.connect()
    expect(await waiting).toMatchObject({ error: { kind: 'unauthenticated', message: expect.stringMatching(message) } })
    expect(dials).toBe(0)
    client.close()
  })
})
