import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { WebSocket } from 'ws'
import { startModelServer } from '../model-server/server.ts'
import { type GatewayProcess, startGatewayProcess } from './gateway-process.ts'
import { residentBytes } from './processes.ts'

/**
 * `npm run bench -- slow-readers`: what readers that stop reading cost the gateway. One socket asks, again and again, until
 * `tokenCount` tokens have passed; `readerCount` others watch the same session and do not read from their sockets for
 * as long as that takes (at least `stillMs`); then they read on, and each must end with the last answer's text. The same
 * run without them is the base. A run's memory is the process's resident peak.
 */
export interface SlowReaderOptions {
  readonly readerCount: number
  readonly tokenCount: number
  readonly stillMs: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

const tokensEach = 5_000

export async function benchSlowReaders(options: SlowReaderOptions): Promise<string> {
  const base = await run(options, 0)
  options.say(`without slow readers: peak ${mib(base.peakBytes)} MiB`)
  const slow = await run(options, options.readerCount)
  options.say(`with ${options.readerCount}: peak ${mib(slow.peakBytes)} MiB, ${slow.rightCount} have the right text`)
  const each = (slow.peakBytes - base.peakBytes) / options.readerCount
  return `${mib(each)} MiB more for each slow reader; at most ${Math.max(...slow.sentBytes)} bytes were under way to one that did not read; ${slow.rightCount} of ${options.readerCount} ended with the right text`
}

interface Run {
  readonly peakBytes: number
  readonly rightCount: number
  /** By reader: what the gateway had written that was not yet read as frames, before it read again. */
  readonly sentBytes: readonly number[]
}

async function run(options: SlowReaderOptions, readerCount: number): Promise<Run> {
  const provider = await startModelServer({
    ttftMs: 5,
    tokensPerSecond: 4_000,
    tokenCount: tokensEach,
    keptRequestCount: 0,
  })
  const gateway = await startGatewayProcess(provider.url, {
    SLUICE_TRANSPORT: options.transport,
  })
  try {
    return await measure(options, readerCount, gateway)
  } finally {
    await gateway.stop()
    await provider.close()
  }
}

async function measure(options: SlowReaderOptions, readerCount: number, gateway: GatewayProcess): Promise<Run> {
  const token = await gateway.token('ada')
  const asker = await Reader.connect(gateway.socketUrl, token)
  const session = await asker.open(undefined)
  const readers = await Promise.all(Array.from({ length: readerCount }, () => Reader.connect(gateway.socketUrl, token)))
  for (const reader of readers) await reader.open(session)
  for (const reader of readers) reader.stopReading()
  const startedMs = performance.now()
  let peakBytes = 0
  for (let asked = 0; asked * tokensEach < options.tokenCount; asked++) {
    await asker.ask(session, `m${asked}`)
    peakBytes = Math.max(peakBytes, await residentBytes(gateway.pid))
  }
  const leftMs = options.stillMs - (performance.now() - startedMs)
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, leftMs)))
  peakBytes = Math.max(peakBytes, await residentBytes(gateway.pid))
  const inKernel = await unreadBytes(readers.map((reader) => reader.localPort))
  const sentBytes = readers.map((reader, n) => reader.heldBytes + (inKernel[n] ?? 0))
  for (const reader of readers) reader.readOn()
  const wanted = asker.answerCount
  const right = await Promise.all(readers.map((reader) => reader.has(wanted, asker.lastText)))
  for (const reader of [asker, ...readers]) reader.close()
  return { peakBytes, rightCount: right.filter(Boolean).length, sentBytes }
}

/** A reader by the wire alone; texts are kept of the last answer only. */
class Reader {
  readonly #socket: WebSocket
  readonly #connection: Socket
  answerCount = 0
  lastText = ''
  #text = ''
  #waiting: (() => void)[] = []
  #opened: ((session: string) => void) | undefined

  private constructor(socket: WebSocket, connection: Socket) {
    this.#socket = socket
    this.#connection = connection
    socket.on('message', (data) => this.#came(String(data)))
  }

  static async connect(url: string, token: string): Promise<Reader> {
    const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false })
    const upgraded = new Promise<Socket>((resolve) => {
      socket.once('upgrade', (response) => resolve(response.socket))
    })
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const reader = new Reader(socket, await upgraded)
    socket.send(JSON.stringify({ type: 'hello', token }))
    return reader
  }

  open(session: string | undefined): Promise<string> {
    const opened = new Promise<string>((resolve) => {
      this.#opened = resolve
    })
    this.#socket.send(JSON.stringify({ type: 'session.open', id: 'o', session }))
    return opened
  }

  async ask(session: string, messageId: string): Promise<void> {
    const wanted = this.answerCount + 1
    this.#socket.send(
      JSON.stringify({ type: 'message.send', id: messageId, session, messageId, content: `say ${messageId}` }),
    )
    await this.#until(() => this.answerCount === wanted)
  }

  stopReading(): void {
    this.#socket.pause()
  }

  get localPort(): number {
    return this.#connection.localPort ?? 0
  }

  /** What was taken from the kernel before the pause worked. */
  get heldBytes(): number {
    return this.#connection.readableLength
  }

  readOn(): void {
    this.#socket.resume()
  }

  async has(answerCount: number, text: string): Promise<boolean> {
    await this.#until(() => this.answerCount >= answerCount)
    return this.lastText === text
  }

  close(): void {
    this.#socket.close()
  }

  #came(text: string): void {
    const frame = JSON.parse(text)
    if (frame.type === 'session.opened') this.#opened?.(frame.session)
    if (frame.type === 'turn.started') this.#text = ''
    if (frame.type === 'turn.delta') this.#text += frame.text
    if (frame.type === 'error' || frame.type === 'turn.failed') throw new Error(text)
    if (frame.type !== 'turn.completed') return
    this.lastText = frame.text ?? this.#text
    this.answerCount++
    for (const wake of this.#waiting.splice(0)) wake()
  }

  async #until(isTrue: () => boolean): Promise<void> {
    const untilMs = performance.now() + 120_000
    while (!isTrue()) {
      if (performance.now() > untilMs) throw new Error('an answer did not come within 120 s')
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        setTimeout(resolve, 1_000).unref()
      })
    }
  }
}

/**
 * What the kernel holds for each of these ports of ours: received and not read here, or sent and not yet received
 * (proc_net_tcp: local and remote address, state, tx_queue:rx_queue, all in hexadecimal).
 */
async function unreadBytes(ports: readonly number[]): Promise<number[]> {
  const table = await readFile('/proc/net/tcp', 'utf8')
  const byPort = new Map<number, number>()
  for (const line of table.split('\n').slice(1)) {
    const [, local, remote, , queues] = line.trim().split(/\s+/)
    const [sent, received] = (queues ?? '0:0').split(':').map((hex) => Number.parseInt(hex, 16))
    add(byPort, portOf(local), received ?? 0)
    add(byPort, portOf(remote), sent ?? 0)
  }
  return ports.map((port) => byPort.get(port) ?? 0)
}

function portOf(address = ''): number {
  return Number.parseInt(address.split(':')[1] ?? '0', 16)
}

function add(counts: Map<number, number>, port: number, bytes: number): void {
  counts.set(port, (counts.get(port) ?? 0) + bytes)
}

function mib(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(2)
}
