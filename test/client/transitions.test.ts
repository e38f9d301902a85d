import { describe, expect, it } from 'vitest'
import type { Effect, Input } from '../../client/event.ts'
import type { ClientState, Link } from '../../client/state.ts'
import { initialState, step } from '../../client/step.ts'
import type { Down } from '../../protocol/down.ts'
import { Device } from './device.ts'
import { GatewayModel, welcome } from './gateway-model.ts'

/** One way into each state of the connection. */
const ways: Record<Link['kind'], Input[]> = {
  idle: [],
  'fetching-token': [{ type: 'connect' }],
  dialing: [{ type: 'connect' }, { type: 'token', ticket: 1, token: 't' }],
  greeting: [{ type: 'connect' }, { type: 'token', ticket: 1, token: 't' }, { type: 'socket-opened', socket: 2 }],
  online: [
    { type: 'connect' },
    { type: 'token', ticket: 1, token: 't' },
    { type: 'socket-opened', socket: 2 },
    { type: 'frame', socket: 2, frame: welcome },
  ],
  waiting: [
    { type: 'connect' },
    { type: 'token', ticket: 1, token: 't' },
    { type: 'socket-closed', socket: 2, code: 1006, reason: '' },
  ],
  stopped: [
    { type: 'connect' },
    { type: 'token', ticket: 1, token: 't' },
    { type: 'socket-closed', socket: 2, code: 4500, reason: 'protocol' },
  ],
}

const events: Record<string, Input> = {
  connect: { type: 'connect' },
  close: { type: 'close' },
  wake: { type: 'wake' },
  token: { type: 'token', ticket: 1, token: 'other' },
  'token-failed': { type: 'token-failed', ticket: 1 },
  'socket-opened': { type: 'socket-opened', socket: 2 },
  welcome: { type: 'frame', socket: 2, frame: welcome },
  'closed 1006': { type: 'socket-closed', socket: 2, code: 1006, reason: '' },
  'closed 4100': { type: 'socket-closed', socket: 2, code: 4100, reason: '' },
  'closed 4401': { type: 'socket-closed', socket: 2, code: 4401, reason: '' },
  'closed 4999': { type: 'socket-closed', socket: 2, code: 4999, reason: '' },
  'another socket closed': { type: 'socket-closed', socket: 77, code: 4999, reason: '' },
  'late tick': { type: 'tick' },
}

/** Where each event leads from each state; what is not named stays. `late tick` comes a minute after. */
const leads: Record<Link['kind'], Partial<Record<string, Link['kind']>>> = {
  idle: { connect: 'fetching-token', close: 'stopped' },
  'fetching-token': { close: 'stopped', token: 'dialing', 'token-failed': 'waiting', 'late tick': 'waiting' },
  dialing: {
    close: 'stopped',
    'socket-opened': 'greeting',
    'closed 1006': 'waiting',
    'closed 4100': 'waiting',
    'closed 4401': 'fetching-token',
    'closed 4999': 'stopped',
    'late tick': 'waiting',
  },
  greeting: {
    close: 'stopped',
    welcome: 'online',
    'closed 1006': 'waiting',
    'closed 4100': 'waiting',
    'closed 4401': 'fetching-token',
    'closed 4999': 'stopped',
    'late tick': 'waiting',
  },
  online: {
    close: 'stopped',
    'closed 1006': 'waiting',
    'closed 4100': 'waiting',
    'closed 4401': 'fetching-token',
    'closed 4999': 'stopped',
  },
  waiting: { close: 'stopped', 'late tick': 'dialing' },
  stopped: { connect: 'fetching-token' },
}

function at(kind: Link['kind']): ClientState {
  let state = initialState()
  for (const input of ways[kind]) state = step(state, { ...input, nowMs: 1_000, roll: 0.99 }).state
  expect(state.link.kind).toBe(kind)
  return state
}

describe('the connection', () => {
  for (const [kind, expected] of Object.entries(leads) as [Link['kind'], Partial<Record<string, Link['kind']>>][]) {
    for (const [name, input] of Object.entries(events)) {
      it(`[CLIENT-20] ${kind}: ${name}`, () => {
        const nowMs = name === 'late tick' ? 61_000 : 1_001
        const { state } = step(at(kind), { ...input, nowMs, roll: 0.99 })
        expect(state.link.kind).toBe(expected[name] ?? kind)
      })
    }
  }

  it('[CLIENT-21] waits at random over the whole interval, which doubles up to its cap', () => {
    const waits = (roll: number): number[] => {
      let state = at('waiting')
      return Array.from({ length: 9 }, () => {
        const nowMs = state.link.kind === 'waiting' ? state.link.retryAtMs : 0
        const dialed = step(state, { type: 'tick', nowMs, roll })
        const [dial] = dialed.effects
        const socket = dial?.type === 'dial' ? dial.socket : -1
        state = step(dialed.state, { type: 'socket-closed', socket, code: 1006, reason: '', nowMs, roll }).state
        return state.link.kind === 'waiting' ? state.link.retryAtMs - nowMs : -1
      })
    }
    expect(waits(0)).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 0])
    expect(waits(0.5)).toEqual([500, 1000, 2000, 4000, 8000, 15000, 15000, 15000, 15000])
  })

  it('[CLIENT-22] dials at once when woken, but not more often than once a second', () => {
    const waiting = at('waiting')
    const early = step(waiting, { type: 'wake', nowMs: 1_200, roll: 0.99 }).state
    expect(early.link).toMatchObject({ kind: 'waiting' })
    expect(early.dueMs).toBeLessThanOrEqual(2_000)
    expect(step(waiting, { type: 'wake', nowMs: 2_000, roll: 0.99 }).state.link.kind).toBe('dialing')
  })

  it('[CLIENT-23] stops after three refused tokens in a row, having asked for another each time', () => {
    let state = at('greeting')
    let nowMs = 1_000
    const asked: string[] = []
    const take = (input: Input): Effect[] => {
      const next = step(state, { ...input, nowMs, roll: 0.5 })
      state = next.state
      for (const effect of next.effects) if (effect.type === 'fetch-token') asked.push(effect.reason)
      return next.effects
    }
    for (let round = 0; round < 4; round++) {
      const { link } = state
      take({ type: 'socket-closed', socket: 'socket' in link ? link.socket : -1, code: 4400, reason: 'no' })
      nowMs = Math.max(nowMs, Math.min(state.dueMs, nowMs + 30_000))
      if (state.link.kind === 'waiting') take({ type: 'tick' })
      if (state.link.kind === 'fetching-token') take({ type: 'token', ticket: state.link.ticket, token: 'x' })
    }
    expect(asked).toEqual(['refused', 'refused', 'refused'])
    expect(state.link).toMatchObject({ kind: 'stopped', code: 4400 })
  })

  it('[CLIENT-24] pings after a heartbeat of silence, and replaces the socket after three', () => {
    let { state, effects } = step(at('online'), { type: 'tick', nowMs: 26_000, roll: 0 })
    expect(effects).toMatchObject([{ type: 'transmit', frame: { type: 'ping' } }])
    state = step(state, { type: 'tick', nowMs: 75_999, roll: 0 }).state
    expect(state.link.kind).toBe('online')
    ;({ state, effects } = step(state, { type: 'tick', nowMs: 76_000, roll: 0 }))
    expect(effects).toMatchObject([{ type: 'hang-up', socket: 2, code: 4002 }])
    expect(state.link.kind).toBe('waiting')
  })

  it('[CLIENT-25] reads on the old socket until the new one is welcome', () => {
    const gateway = new GatewayModel()
    const device = new Device(gateway)
    device.do({ type: 'connect' })
    device.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    device.do({ type: 'send', local: 'a', message: { messageId: 'm1', content: 'hi' } })
    device.settle()
    const log = gateway.sessions.get('S1')
    if (log === undefined) throw new Error('no session was made')
    const away: Down = { type: 'going.away', reconnectAfterMs: 100, deadlineMs: 9_000 }
    device.do({
      type: 'frame',
      socket: device.state.link.kind === 'online' ? device.state.link.socket : -1,
      frame: away,
    })
    device.advance(100)
    expect(device.state.link.kind).toBe('dialing')
    gateway.write(log, 'still here')
    gateway.publish()
    while (device.moveDown()) expect(device.state.link.kind).toBe('dialing')
    expect(device.view().turns.at(-1)?.text).toBe('still here')
    device.settle()
    expect(device.state.link.kind).toBe('online')
    expect(gateway.sockets.size).toBe(1)
  })

  it('[CLIENT-26] a frame of an unknown type that is a record keeps the count', () => {
    const gateway = new GatewayModel()
    const device = new Device(gateway)
    device.do({ type: 'connect' })
    device.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    device.do({ type: 'send', local: 'a', message: { messageId: 'm1', content: 'hi' } })
    device.settle()
    gateway.publish()
    device.settle()
    const socket = device.state.link.kind === 'online' ? device.state.link.socket : -1
    // A frame of a later version.
    const odd = { type: 'poll.added', session: 'S1', seq: 2, mark: 9, timeMs: 1 } as unknown as Down
    device.do({ type: 'frame', socket, frame: odd })
    expect(device.session().position).toEqual({ seq: 2, mark: 9 })
    expect(device.state.stats.reopens).toBe(0)
  })
})

describe('a hole', () => {
  it('[CLIENT-27] one lost frame costs one re-open, whatever was on its way behind it', () => {
    const gateway = new GatewayModel()
    const device = new Device(gateway)
    device.do({ type: 'connect' })
    device.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    device.do({ type: 'send', local: 'a', message: { messageId: 'm1', content: 'hi' } })
    device.settle()
    const log = gateway.sessions.get('S1')
    if (log === undefined) throw new Error('no session was made')
    gateway.write(log, 'first ')
    gateway.publish()
    device.settle()
    for (let index = 0; index < 20; index++) {
      gateway.write(log, `piece ${index} `)
      gateway.publish()
    }
    device.moveDown(true)
    device.settle()
    gateway.publish()
    device.settle()
    expect(device.state.stats.reopens).toBe(1)
    expect(device.view().turns.at(-1)?.text).toBe(log.run?.text)
  })

  it('[CLIENT-36] a message waits until the turn before it has ended', () => {
    const gateway = new GatewayModel()
    const device = new Device(gateway)
    device.do({ type: 'connect' })
    device.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    for (const messageId of ['m1', 'm2']) device.do({ type: 'send', local: 'a', message: { messageId, content: 'hi' } })
    device.settle()
    gateway.publish()
    device.settle()
    const sent = () => device.sent.flatMap((frame) => (frame.type === 'message.send' ? [frame.messageId] : []))
    expect(sent()).toEqual(['m1'])
    const log = gateway.sessions.get('S1')
    if (log !== undefined) gateway.end(log, 'turn.completed')
    gateway.publish()
    device.settle()
    expect(sent()).toEqual(['m1', 'm2'])
  })
})

describe('own messages', () => {
  function ready(): { gateway: GatewayModel; device: Device } {
    const gateway = new GatewayModel()
    const device = new Device(gateway)
    device.do({ type: 'connect' })
    device.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    return { gateway, device }
  }
  const send = (device: Device, messageId: string, content = 'hi') =>
    device.do({ type: 'send', local: 'a', message: { messageId, content } })

  it('[CLIENT-30] a first message whose socket dies before the answer makes one session and one turn', () => {
    const { gateway, device } = ready()
    send(device, 'm1')
    for (let round = 0; round < 6; round++) {
      for (let frames = 0; frames < round; frames++) device.moveUp() || device.moveDown()
      device.drop()
      device.waitDue(30_000)
    }
    device.settle()
    device.waitDue(30_000)
    device.settle()
    expect(gateway.sessions.size).toBe(1)
    expect([...gateway.sessions.values()].flatMap((log) => gateway.turnsOf(log))).toHaveLength(1)
  })

  it('[CLIENT-31] a message that cost two sockets is given up; one that a network lost is not', () => {
    const costs = (code: number): string | undefined => {
      const { device } = ready()
      device.settle()
      send(device, 'm1')
      for (let round = 0; round < 4; round++) {
        device.settleUntilSent()
        device.drop(code)
        device.waitDue(30_000)
      }
      return device.view().turns.at(-1)?.state
    }
    expect(costs(1009)).toBe('failed')
    expect(costs(1006)).not.toBe('failed')
  })

  it('[CLIENT-32] waits out `busy` and sends the same message again', () => {
    const { gateway, device } = ready()
    gateway.refuseNext = 'busy'
    send(device, 'm1')
    device.settle()
    expect(device.view().turns.at(-1)?.state).toBe('unsent')
    device.waitDue(1_000)
    device.settle()
    const ids = device.sent.flatMap((frame) => (frame.type === 'message.send' ? [frame.messageId] : []))
    expect(ids).toEqual(['m1', 'm1'])
    expect(device.follow('m1').results).toEqual([])
  })

  it('[CLIENT-33] fails what is too large without sending it', () => {
    const { device } = ready()
    send(device, 'm1', 'é'.repeat(66_000))
    device.settle()
    expect(device.view().turns.at(-1)).toMatchObject({ state: 'failed', error: { kind: 'too-large' } })
    expect(device.sent.some(({ type }) => type === 'message.send')).toBe(false)
  })

  it('[CLIENT-34] keeps at most so many messages', () => {
    const { device } = ready()
    for (let index = 0; index < 101; index++) send(device, `m${index}`)
    expect(device.follow('m100').results).toEqual(['failed'])
    expect(device.follow('m99').results).toEqual([])
  })

  it('[CLIENT-35] never shows a text as ended whose hash is another', () => {
    const { gateway, device } = ready()
    send(device, 'm1')
    device.settle()
    const log = gateway.sessions.get('S1')
    if (log === undefined) throw new Error('no session was made')
    gateway.write(log, 'right')
    gateway.publish()
    device.settle()
    gateway.end(log, 'turn.completed')
    const record = log.log.at(-1)
    if (record?.type === 'turn.completed') Object.assign(record, { sha256: '0'.repeat(64) })
    gateway.publish()
    for (let round = 0; round < 20; round++) {
      device.settle()
      expect(device.view().turns.at(-1)?.state).not.toBe('completed')
      device.waitDue(2_000)
    }
    expect(device.view().turns.at(-1)).toMatchObject({ state: 'failed', text: '', error: { kind: 'internal' } })
    expect(device.state.stats.repairs).toBeGreaterThan(0)
  })
})
