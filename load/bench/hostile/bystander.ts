import { get } from 'node:http'
import { percentile } from '../figures.ts'
import { RawSocket } from '../raw-socket.ts'

/** What an honest user and a health check noticed, in milliseconds. */
export interface Delays {
  readonly pingP50Ms: number
  readonly pingMaxMs: number
  readonly healthMaxMs: number
  /** Health checks without an answer, and pings that were never answered. */
  readonly lostCount: number
}

/** Between two pings; far below the rate that a socket may have. */
const pingEveryMs = 50
const healthEveryMs = 250
/** A health check of an orchestrator gives up long before. */
const healthMaxMs = 30_000

/**
 * An honest user's socket from an address of its own, which asks `ping` at a steady pace whether it was answered or not,
 * and a health check beside it on connections of its own. A wait that has not ended when it is asked counts as long as it
 * has been.
 */
export class Bystander {
  readonly #url: string
  readonly #address: string
  readonly #socket: RawSocket
  readonly #welcomed = Promise.withResolvers<void>()
  readonly #sentMs = new Map<string, number>()
  #pingMs: number[] = []
  #healthMs: number[] = []
  #healthSentMs = new Set<number>()
  #lostCount = 0
  #nextId = 0
  #isStopped = false
  #timers: NodeJS.Timeout[] = []

  constructor(url: string, token: string, address: string) {
    this.#url = url
    this.#address = address
    const handlers = {
      opened: () => this.#socket.send(JSON.stringify({ type: 'hello', token })),
      text: (payload: Buffer) => this.#came(payload.toString()),
      closed: () => {
        if (!this.#isStopped) this.#lostCount++
        this.#welcomed.reject(new Error('the bystander was refused'))
      },
    }
    this.#socket = new RawSocket(`${url.replace('http', 'ws')}/v1/socket`, handlers, address)
  }

  async begin(): Promise<void> {
    await this.#welcomed.promise
    this.#timers = [setInterval(() => this.#ping(), pingEveryMs), setInterval(() => this.#askHealth(), healthEveryMs)]
  }

  /** How long the oldest ping without an answer has waited; 0: none has. */
  waitsForMs(): number {
    const [oldestMs] = this.#sentMs.values()
    return oldestMs === undefined ? 0 : performance.now() - oldestMs
  }

  /** What was noticed since the last call. */
  take(): Delays {
    const nowMs = performance.now()
    const waiting = [...this.#sentMs.values()].map((sentMs) => nowMs - sentMs)
    const healthWaiting = [...this.#healthSentMs].map((sentMs) => nowMs - sentMs)
    const pings = [...this.#pingMs, ...waiting]
    const health = [...this.#healthMs, ...healthWaiting]
    const delays = {
      pingP50Ms: percentile(pings, 0.5),
      pingMaxMs: percentile(pings, 1),
      healthMaxMs: percentile(health, 1),
      lostCount: this.#lostCount,
    }
    this.#pingMs = []
    this.#healthMs = []
    this.#lostCount = 0
    return delays
  }

  stop(): void {
    this.#isStopped = true
    for (const timer of this.#timers) clearInterval(timer)
    this.#socket.terminate()
  }

  #ping(): void {
    const id = `p${this.#nextId++}`
    this.#sentMs.set(id, performance.now())
    this.#socket.send(JSON.stringify({ type: 'ping', id }))
  }

  #came(text: string): void {
    const frame = JSON.parse(text)
    if (frame.type === 'welcome') this.#welcomed.resolve()
    const sentMs = this.#sentMs.get(frame.ref)
    if (sentMs === undefined) return
    this.#sentMs.delete(frame.ref)
    this.#pingMs.push(performance.now() - sentMs)
  }

  #askHealth(): void {
    const sentMs = performance.now()
    this.#healthSentMs.add(sentMs)
    const ended = () => {
      if (this.#healthSentMs.delete(sentMs)) this.#healthMs.push(performance.now() - sentMs)
    }
    const asked = get(
      `${this.#url}/healthz`,
      { agent: false, localAddress: this.#address, timeout: healthMaxMs },
      (answer) => {
        answer.resume().on('end', ended)
      },
    )
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => {
      if (!this.#isStopped) this.#lostCount++
      ended()
    })
  }
}
