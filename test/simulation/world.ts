import type { Redis } from 'ioredis'
import { vi } from 'vitest'
import type { Down } from '../../protocol/down.ts'
import type { RedisLog } from '../../sessions/redis/redis-log.ts'
import { Device } from '../client/device.ts'
import { describe } from './describe.ts'
import { type Act, type Plan, restful } from './plan.ts'
import { Chance } from './random.ts'
import { SimGateway } from './sim-gateway.ts'
import { identity, leaseMs, type NodePlants, SimNode } from './sim-node.ts'
import { Snapshots, snapshotsMax } from './snapshots.ts'

export interface WorldParts {
  readonly seed: number
  readonly plan: Plan
  /** One for each node: real connections to the real Redis. */
  readonly logs: readonly RedisLog[]
  readonly prefix: string
  readonly client: Redis
  /** Resolves when all that was published so far was heard on every connection. */
  heard(): Promise<void>
  readonly plants: NodePlants
  count(what: string): void
}

const sliceMs = 20
/** Each finds a subscription half made about one time in twenty. */
const roundsBehind = 8
const executionsMax = 2_000

/**
 * Two nodes, two devices of one subject in one session, one real Redis, and time that passes when the world says so.
 * A step does one thing and lets everything that follows from it happen, but for what the links hold back.
 */
export class World {
  readonly devices: Device[] = []
  readonly gateways: SimGateway[] = []
  readonly chance: Chance
  readonly plan: Plan
  session = ''
  nodes: SimNode[] = []
  /** Of every node that ever lived. */
  readonly allNodes: SimNode[] = []
  readonly sentIds: string[] = []
  readonly sentBy = new Map<Device, readonly string[]>()
  readonly cancelled = new Set<string>()
  /** Messages that a node gave up to know the fate of: their turns have no producer. */
  unknownAcceptances = 0
  wasRolledBack = false
  /** Frames that say something that a plan forbids. */
  resets = 0
  isStoreAway = false
  readonly #parts: WorldParts
  readonly #snapshots: Snapshots
  #skewMs = 0
  #idCount = 0
  #callCount = 0

  constructor(parts: WorldParts) {
    this.#parts = parts
    this.plan = parts.plan
    this.#snapshots = new Snapshots(parts.client, parts.prefix)
    this.chance = new Chance(parts.seed)
  }

  async begin(): Promise<void> {
    await this.#tellTime()
    for (const [index] of this.#parts.logs.entries()) this.#startNode(index)
    for (let index = 0; index < 2; index += 1) this.#addDevice()
    const [first, second] = this.devices
    // A session is made by its first message.
    first?.do({ type: 'watch', local: 'a', target: { creation: { key: 'k' } } })
    this.#send(first, false)
    for (let tries = 0; this.session === '' && tries < 200; tries += 1) {
      await this.quiesce()
      this.session = first?.session().id ?? ''
      if (this.session === '') await this.pass(100)
    }
    if (this.session === '') throw new Error(`no session was made: ${JSON.stringify(first?.state.link)}`)
    second?.do({ type: 'watch', local: 'a', target: { id: this.session } })
  }

  #addDevice(): void {
    const gateway = new SimGateway(
      () => this.chance.of(this.nodes.filter(({ isAlive, link }) => isAlive && !link.isPaused)),
      (frame) => this.#saw(frame),
    )
    const device = new Device(gateway)
    device.nowMs = Date.now()
    device.do({ type: 'connect' })
    this.gateways.push(gateway)
    this.devices.push(device)
  }

  async step(): Promise<void> {
    const act = this.chance.weighted<Act>(this.plan.acts)
    if (act !== undefined) await this.#do(act)
    for (const node of this.nodes) node.link.deliver(false)
    await this.quiesce()
  }

  /** Every fault ends; what runs ends. Answers how long it took, in virtual milliseconds; rejects when it never does. */
  async rest(): Promise<void> {
    this.isStoreAway = false
    for (const [index, node] of this.nodes.entries()) {
      if (!node.isAlive) this.#startNode(index)
      else node.link.resume()
    }
    await this.#mayBeBehind()
    this.#restMode()
    let quiet = 0
    for (let round = 0; round < 400; round += 1) {
      for (const node of this.nodes) {
        node.link.deliver(true)
        for (const call of node.provider.open) call.finish()
      }
      await this.pass(round < 60 ? 100 : 500)
      quiet = (await this.isAtRest()) ? quiet + 1 : 0
      if (quiet >= 3) return
    }
    throw new Error(`it never comes to rest: ${await describe(this, this.#parts.logs[0])}`)
  }

  /**
   * Where nothing is lost and nothing looks again, whoever is subscribed has all that the store has, also what was
   * written while the subscriptions came back.
   */
  async #mayBeBehind(): Promise<void> {
    if (this.plan.repairs) return
    for (let round = 0; round < roundsBehind; round += 1) {
      for (const node of this.nodes) node.link.break()
      // Up to when the last subscription is asked for again, and may be held.
      await this.pass(this.chance.between(1, 220))
      await this.#writeLast(round)
      for (const node of this.nodes) node.link.deliver(true)
      // Lost subscriptions come back by then, and no client has begun to doubt.
      await this.pass(600)
      await this.#assertAbreast()
    }
  }

  async #writeLast(round: number): Promise<void> {
    const [log] = this.#parts.logs
    const opened = await log?.open({ session: this.session, limit: 1 })
    const turn =
      opened?.kind === 'ok' ? opened.entries.map(({ record }) => 'turn' in record && record.turn).at(-1) : false
    if (log === undefined || !turn) return
    const record = { type: 'feedback.added', timeMs: round, turn, rating: 1 } as const
    await log.addFeedback({ session: this.session, record })
    await this.#parts.heard()
  }

  async #assertAbreast(): Promise<void> {
    const opened = await this.#parts.logs[0]?.open({ session: this.session, limit: 1 })
    if (opened?.kind !== 'ok') return
    for (const { name, watched } of this.nodes)
      for (const feed of watched)
        if (!feed.isGone && feed.watchers.size > 0 && feed.head.seq < opened.head.seq)
          throw new Error(`${name} is at ${feed.head.seq} of ${opened.head.seq}, and nothing will tell it`)
  }

  async isAtRest(): Promise<boolean> {
    const opened = await this.#parts.logs[0]?.open({ session: this.session, limit: 1 })
    if (opened?.kind !== 'ok' || opened.run !== undefined) return false
    if (this.nodes.some((node) => node.turns.running() > 0)) return false
    return this.devices.every((device) => {
      const session = device.session()
      const { seq, mark } = session.position ?? { seq: -1, mark: 0 }
      const hasAll = seq === opened.head.seq && mark === opened.head.mark
      return session.outgoing.every(({ status }) => status.kind === 'failed') && session.settling.length === 0 && hasAll
    })
  }

  /** Time passes in slices, so that nothing waits for what a real network would have brought. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= sliceMs) {
      vi.advanceTimersByTime(Math.min(left, sliceMs))
      await this.#tellTime()
      for (const device of this.devices) {
        device.nowMs = Date.now()
        device.roll = this.chance.next()
        device.do({ type: 'tick' })
      }
      for (const node of this.nodes) node.link.deliver(false)
      await this.quiesce()
    }
  }

  /** Until nothing moves but what is held back. */
  async quiesce(): Promise<void> {
    for (let round = 0; round < 500; round += 1) {
      const before = this.allNodes.reduce((sum, { link }) => sum + link.executed, 0)
      await this.#idle()
      const executed = this.allNodes.reduce((sum, { link }) => sum + link.executed, 0)
      if (executed !== this.#heardUpTo) {
        this.#heardUpTo = executed
        await this.#parts.heard()
        if (this.session !== '' && 'roll-back' in this.plan.acts) await this.#snapshots.take(this.session)
      }
      const moved = this.#moveDevices()
      if (!moved && executed === before && this.allNodes.every(({ link }) => link.inFlight === 0)) return
    }
    throw new Error('it never comes to a stop')
  }
  #heardUpTo = 0

  async #do(act: Act): Promise<void> {
    const { chance } = this
    const alive = this.nodes.filter(({ isAlive }) => isAlive)
    const node = chance.of(alive)
    const device = chance.of(this.devices)
    switch (act) {
      case 'send':
        return this.#send(device, false)
      case 'send-twice':
        return this.#send(device, true)
      case 'cancel':
        return this.#cancel(node)
      case 'emit':
        for (const each of alive)
          for (const call of each.provider.open) if (!each.link.isPaused && chance.is(0.7)) call.emit()
        return
      case 'finish':
        return chance.of(node?.provider.open ?? [])?.finish()
      case 'break-provider':
        return chance.of(node?.provider.open ?? [])?.break()
      case 'wait':
        return this.pass(chance.between(1, 60))
      case 'wait-lease':
        return this.pass(chance.between(leaseMs / 2, leaseMs * 2))
      case 'drop-socket':
        return device?.drop()
      case 'deliver-late':
        return node?.link.deliver(true)
      default:
        return this.#break(act, node)
    }
  }

  async #break(act: Act, node: SimNode | undefined): Promise<void> {
    const { chance } = this
    switch (act) {
      case 'break-link':
        return node?.link.break()
      case 'pause-node':
        if (node === undefined || this.nodes.some(({ link }) => link.isPaused)) return
        this.#parts.count('pauses')
        node.link.isPaused = true
        return
      case 'resume-node':
        return chance.of(this.nodes.filter(({ link, isAlive }) => isAlive && link.isPaused))?.link.resume()
      case 'kill-node':
        if (this.nodes.filter(({ isAlive }) => isAlive).length < 2 || node === undefined) return
        this.#parts.count('kills')
        for (const gateway of this.gateways) gateway.cut(node)
        node.kill()
        return
      case 'start-node': {
        const dead = this.nodes.findIndex(({ isAlive }) => !isAlive)
        if (dead >= 0) this.#startNode(dead)
        return
      }
      case 'store-away':
        if (this.isStoreAway) return
        this.#parts.count('outages')
        this.isStoreAway = true
        for (const each of this.nodes) if (each.isAlive) each.link.break()
        return
      case 'store-back':
        this.isStoreAway = false
        return
      case 'flap':
        this.isStoreAway = false
        await this.pass(chance.between(20, 260))
        return this.#break('store-away', node)
      case 'roll-back':
        return this.#rollBack()
      case 'step-clock':
        this.#skewMs += chance.between(-leaseMs / 2, leaseMs / 2)
        return this.#tellTime()
      default:
        return
    }
  }

  #send(device: Device | undefined, isTwice: boolean): void {
    if (device === undefined) return
    const messageId = `m${this.sentIds.length}`
    if (device.session().outgoing.length > 1) return
    this.sentIds.push(messageId)
    this.sentBy.set(device, [...(this.sentBy.get(device) ?? []), messageId])
    const content = `question ${messageId}`
    device.do({ type: 'send', local: 'a', message: { messageId, content } })
    if (!isTwice) return
    this.#parts.count('sent twice')
    // The same message straight to every node, as from devices that share what they have to send.
    for (const node of this.nodes)
      if (node.isAlive) void node.chat.send(identity, { session: this.session, messageId, content })
  }

  async #cancel(node: SimNode | undefined): Promise<void> {
    const running = this.devices.map((device) => device.session().running?.turn).find((turn) => turn !== undefined)
    if (running === undefined || node === undefined) return
    this.#parts.count('cancels')
    void node.link.log.cancel({ session: this.session, turn: running }).then(
      ({ kind }) => kind === 'cancelling' && this.cancelled.add(running),
      () => undefined,
    )
  }

  #startNode(index: number): void {
    const { logs, plan, plants, count } = this.#parts
    const log = logs[index]
    if (log === undefined) return
    const parts = {
      chance: this.chance,
      plan: this.#isResting ? restful(plan) : plan,
      isStoreAway: () => this.isStoreAway,
      randomId: () => `id${++this.#idCount}`,
      nextCall: () => this.#callCount++,
      acceptanceUnknown: () => {
        this.unknownAcceptances += 1
      },
      count,
    }
    const node = new SimNode(`node ${index}`, log, parts, plants)
    this.nodes[index] = node
    this.allNodes.push(node)
  }
  #isResting = false

  #restMode(): void {
    this.#isResting = true
    for (const { link } of this.nodes) link.calm()
  }

  #saw(frame: Down): void {
    if (frame.type === 'session.opened' && frame.reset) this.resets += 1
  }

  /** Waits for the real store; nothing of what is held, and no time, is waited for. */
  async #idle(): Promise<void> {
    const before = this.allNodes.reduce((sum, { link }) => sum + link.executed, 0)
    for (let calm = 0; calm < 3; ) {
      // Producers that drive each other on never would.
      if (this.allNodes.reduce((sum, { link }) => sum + link.executed, 0) - before > executionsMax)
        throw new Error('the store is asked without an end')
      await new Promise((resolve) => setImmediate(resolve))
      const isBusy = this.allNodes.some(({ link }) => link.inFlight > 0 || link.unconfirmed > 0)
      calm = isBusy ? 0 : calm + 1
    }
  }

  #moveDevices(): boolean {
    let moved = false
    for (const [index, device] of this.devices.entries()) {
      const gateway = this.gateways[index]
      const before = device.state
      device.settle()
      if (gateway?.sweep()) device.drop()
      moved ||= device.state !== before
    }
    return moved
  }

  async #rollBack(): Promise<void> {
    const back = this.chance.between(1, snapshotsMax - 2)
    if (!(await this.#snapshots.rollBack(this.session, back))) return
    this.#parts.count('roll-backs')
    this.wasRolledBack = true
    // Connections break in a failover, or a proxy keeps them.
    if (this.chance.is(0.7)) for (const node of this.nodes) if (node.isAlive) node.link.break()
  }

  async #tellTime(): Promise<void> {
    await this.#parts.client.set(`${this.#parts.prefix}now`, String(Date.now() + this.#skewMs))
  }
}
