import type { Effect, Event, Input } from '../../client/event.ts'
import type { ClientState, Session } from '../../client/state.ts'
import { initialState, step } from '../../client/step.ts'
import { type SessionView, viewOf } from '../../client/view.ts'
import type { Down } from '../../protocol/down.ts'
import type { Up } from '../../protocol/up.ts'
import { ModelSocket } from './gateway-model.ts'

/** What somebody who follows an answer was told: the text as built from `text` and `cut`, and the results. */
export interface Followed {
  text: string
  readonly results: string[]
}

/** What a device dials. */
export interface DeviceGateway {
  readonly sockets: Set<ModelSocket>
  receive(socket: ModelSocket, frame: Up): void
}

/** A client's core on a wire that moves only when it is told to. */
export class Device {
  state: ClientState = initialState()
  nowMs = 1_000_000
  roll = 0.5
  readonly followed = new Map<string, Followed>()
  readonly outcomes: Extract<Effect, { type: 'called' }>[] = []
  readonly sent: Up[] = []
  readonly #gateway: DeviceGateway
  readonly #wires = new Map<number, { readonly socket: ModelSocket; readonly up: Up[] }>()
  readonly #pending: Input[] = []

  constructor(gateway: DeviceGateway) {
    this.#gateway = gateway
  }

  do(input: Input): Effect[] {
    const event: Event = { ...input, nowMs: this.nowMs, roll: this.roll }
    const { state, effects } = step(this.state, event)
    this.state = state
    for (const effect of effects) this.#act(effect)
    return effects
  }

  /** Lets what is on its way arrive: up, then down, until nothing moves. */
  settle(): void {
    for (let turns = 0; turns < 1_000; turns++) {
      const pending = this.#pending.shift()
      if (pending !== undefined) this.do(pending)
      else if (!this.moveUp() && !this.moveDown()) return
    }
    throw new Error('the wire never comes to rest')
  }

  /** Lets things arrive until a message is on its way up, and no farther. */
  settleUntilSent(): boolean {
    for (let turns = 0; turns < 1_000; turns++) {
      if ([...this.#wires.values()].some(({ up }) => up[0]?.type === 'message.send')) return true
      const pending = this.#pending.shift()
      if (pending !== undefined) this.do(pending)
      else if (!this.moveUp() && !this.moveDown()) return false
    }
    return false
  }

  /** One frame up, on the socket that has one. */
  moveUp(): boolean {
    for (const { socket, up } of this.#wires.values()) {
      const frame = up.shift()
      if (frame === undefined) continue
      this.#gateway.receive(socket, frame)
      return true
    }
    return false
  }

  moveDown(isLost = false): boolean {
    for (const [number, { socket }] of this.#wires) {
      const frame = socket.down.shift()
      if (frame === undefined) continue
      if (!isLost) this.do({ type: 'frame', socket: number, frame: structuredClone(frame) })
      return true
    }
    return false
  }

  /** Loses the next frame down, if it is one that the client can notice. */
  loseDown(): void {
    for (const { socket } of this.#wires.values()) {
      const next: Down | undefined = socket.down[0]
      if (next?.type === 'turn.delta' || (next !== undefined && 'mark' in next && next.type !== 'session.opened'))
        socket.down.shift()
    }
  }

  /** The socket breaks; what is on its way is gone. */
  drop(code = 1006): void {
    for (const number of [...this.#wires.keys()]) {
      this.#hangUp(number)
      this.do({ type: 'socket-closed', socket: number, code, reason: '' })
    }
  }

  advance(ms: number): void {
    this.nowMs += ms
    this.do({ type: 'tick' })
  }

  /** Waits for what is due, unless that is farther away than `mostMs`. */
  waitDue(mostMs: number): boolean {
    const waitMs = this.state.dueMs - this.nowMs
    if (waitMs > mostMs) return false
    this.advance(Math.max(1, waitMs))
    return true
  }

  session(local = 'a'): Session {
    const session = this.state.sessions.get(local)
    if (session === undefined) throw new Error(`no session ${local}`)
    return session
  }

  view(local = 'a'): SessionView {
    return viewOf(this.session(local), this.state.link.kind === 'online')
  }

  follow(messageId: string): Followed {
    const known = this.followed.get(messageId) ?? { text: '', results: [] }
    this.followed.set(messageId, known)
    return known
  }

  #act(effect: Effect): void {
    switch (effect.type) {
      case 'dial':
        this.#wires.set(effect.socket, { socket: new ModelSocket(), up: [] })
        this.#pending.push({ type: 'socket-opened', socket: effect.socket })
        return
      case 'transmit': {
        const wire = this.#wires.get(effect.socket)
        // As on the real wire, what is undefined is absent.
        const frame = JSON.parse(JSON.stringify(effect.frame)) as Up
        this.sent.push(frame)
        if (frame.type === 'hello' && wire !== undefined) this.#gateway.sockets.add(wire.socket)
        wire?.up.push(frame)
        return
      }
      case 'hang-up':
        return this.#hangUp(effect.socket)
      case 'fetch-token':
        this.#pending.push({ type: 'token', ticket: effect.ticket, token: 'token' })
        return
      case 'text':
      case 'cut':
      case 'answered':
        return tell(this.follow(effect.messageId), effect)
      case 'called':
        this.outcomes.push(effect)
    }
  }

  #hangUp(number: number): void {
    const wire = this.#wires.get(number)
    if (wire === undefined) return
    wire.socket.isOpen = false
    this.#gateway.sockets.delete(wire.socket)
    this.#wires.delete(number)
  }
}

/** As an `Answer` does: the first result is the last that is heard of it. */
function tell(followed: Followed, effect: Extract<Effect, { type: 'text' | 'cut' | 'answered' }>): void {
  if (effect.type === 'answered') {
    if (followed.results.length === 0 && effect.result.text !== followed.text) {
      throw new Error(`followed ${followed.text}, ended with ${effect.result.text}`)
    }
    followed.results.push(effect.result.kind)
  } else if (followed.results.length === 0) {
    followed.text = effect.type === 'text' ? followed.text + effect.text : effect.text
  }
}
