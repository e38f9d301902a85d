import { type Answer, GreetedSocket } from './greeted-socket.ts'
import type { Attack } from './line.ts'
import { type ShapeName, shapeFrame } from './shapes.ts'
import type { Stage } from './stage.ts'
import { pings } from './stranger-attacks.ts'

/** Attacks on sockets that were welcomed. */

/** Below the default of 100 frames a second, so that the rate alone ends nothing. */
const framesPerSecond = 90
const frameCount = 20

/** Frames of 1 MiB on one socket. */
export function greetedFrames(names: readonly ShapeName[]) {
  return async (stage: Stage): Promise<Attack> => {
    const frames = names.map(shapeFrame)
    let socket = await GreetedSocket.dial(stage)
    return async () => {
      for (let n = 0; n < frameCount && !stage.isOver; n++) {
        if (socket?.isOpen !== true) socket = await GreetedSocket.dial(stage)
        await socket?.frame(frames[n % frames.length])
      }
      await stage.pause(1_000)
    }
  }
}

export function greetedPongs(socketCount: number) {
  return async (stage: Stage): Promise<Attack> => {
    const sockets = await unreading(stage, socketCount)
    return () =>
      all(sockets, async (socket) => {
        while (!stage.isOver && (await socket.write(pings))) stage.requestCount += 500
      })
  }
}

/** Requests that are refused, on sockets that never read the refusals. */
export function unreadErrors(socketCount: number) {
  return async (stage: Stage): Promise<Attack> => {
    const sockets = await unreading(stage, socketCount)
    return () =>
      all(sockets, (socket) => paced(stage, () => socket.post({ type: 'history.get', session: 'x'.repeat(64) })))
  }
}

/** Frames that are none, until the gateway ends the socket. */
export function unreadBadFrames(socketCount: number) {
  return async (stage: Stage): Promise<Attack> => {
    const sockets = await unreading(stage, socketCount)
    return () => all(sockets, (socket) => paced(stage, () => socket.text(`{"type":"${'x'.repeat(200)}"}`)))
  }
}

/** As many requests as may wait, on sockets that never read the answers; then nothing. */
export function unreadRequests(socketCount: number, frameOf: (stage: Stage) => Promise<object>) {
  return async (stage: Stage): Promise<Attack> => {
    const frame = await frameOf(stage)
    const sockets = await unreading(stage, socketCount)
    return () =>
      all(sockets, async (socket) => {
        for (let n = 0; n < framesPerSecond; n++) await socket.post(frame)
        await stage.pause(60_000)
      })
  }
}

/** One request after the other at the highest rate that is served, every answer read. */
export function requestFlood(
  socketCount: number,
  frameOf: (stage: Stage) => Promise<object | ((n: number) => object)>,
) {
  return async (stage: Stage): Promise<Attack> => {
    const frame = await frameOf(stage)
    const sockets = await GreetedSocket.dialMany(stage, socketCount)
    return () =>
      all(sockets, (socket) => paced(stage, (n) => socket.post(typeof frame === 'function' ? frame(n) : frame)))
  }
}

/** `session.list` over a hundred sessions with 7 KB of metadata each. */
export async function listRequest(stage: Stage): Promise<object> {
  const socket = await GreetedSocket.dial(stage)
  for (let n = 0; n < stage.part(100); n++) {
    const opened = await socket?.ask({ type: 'session.open', key: `listed-${n}`, metadata: largeMetadata(n) })
    mustBe('session.opened', opened)
    await socket?.ask({ type: 'session.close', session: opened?.session })
  }
  close(stage, socket)
  return { type: 'session.list', limit: 100 }
}

function largeMetadata(n: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: 7 }, (_, key) => [`k${key}`, `${n} `.padEnd(1_000, 'x')]))
}

export async function historyRequest(stage: Stage): Promise<object> {
  const { session } = await longSession(stage)
  return { type: 'history.get', session, limit: 100 }
}

export async function unknownTurnPath(stage: Stage): Promise<string> {
  const { session } = await longSession(stage)
  return `/v1/sessions/${session}/turns/nope/events`
}

export async function feedbackRequest(stage: Stage): Promise<(n: number) => object> {
  const { session, turn } = await answeredSession(stage, 1)
  return (n) => ({ type: 'feedback.give', session, turn, rating: 1, comment: `${n} `.padEnd(3_950, '语') })
}

export async function updateRequest(stage: Stage): Promise<(n: number) => object> {
  const { session } = await answeredSession(stage, 0)
  return (n) => ({ type: 'session.update', session, metadata: largeMetadata(n) })
}

export async function sessionPath(stage: Stage): Promise<string> {
  const { session } = await answeredSession(stage, 0)
  return `/v1/sessions/${session}`
}

export async function createRequest(): Promise<object> {
  return { type: 'session.open', metadata: largeMetadata(0) }
}

/** Of about a thousand records. */
function longSession(stage: Stage): Promise<Answered> {
  return answeredSession(stage, stage.part(334))
}

interface Answered {
  readonly session: string
  /** The last turn. */
  readonly turn: string
}

async function answeredSession(stage: Stage, turnCount: number): Promise<Answered> {
  const socket = await GreetedSocket.dial(stage)
  const opened = await socket?.ask({ type: 'session.open', key: `answered-${turnCount}` })
  mustBe('session.opened', opened)
  const session = String(opened?.session)
  let turn = 'none'
  for (let n = 0; n < turnCount && socket?.isOpen === true; n++) {
    const content = `${`question ${n} `.padEnd(4_000, 'x')}\n[[ttft=1 tps=0 tokens=5 answer=count]]`
    const ended = socket.next(({ type }) => endTypes.has(String(type)))
    const accepted = await socket.ask({ type: 'message.send', session, messageId: `m${n}`, content })
    mustBe('message.accepted', accepted)
    turn = String(accepted?.turn)
    await ended
  }
  close(stage, socket)
  return { session, turn }
}

const endTypes = new Set(['turn.completed', 'turn.failed', 'turn.cancelled'])

/** A line whose sessions were refused would measure something else. */
function mustBe(type: string, answer: Answer | undefined): void {
  if (answer?.type !== type) throw new Error(`unable to prepare: ${JSON.stringify(answer)} in place of ${type}`)
}

function close(stage: Stage, socket: GreetedSocket | undefined): void {
  if (socket !== undefined) stage.drop(socket.raw.connection)
}

async function unreading(stage: Stage, socketCount: number): Promise<GreetedSocket[]> {
  const sockets = await GreetedSocket.dialMany(stage, socketCount)
  for (const socket of sockets) socket.stopReading()
  return sockets
}

async function all(sockets: readonly GreetedSocket[], work: (socket: GreetedSocket) => Promise<void>): Promise<void> {
  await Promise.all(sockets.map(work))
}

/** Calls `step` at the rate until the time is over or it answers false. */
async function paced(stage: Stage, step: (n: number) => Promise<boolean>): Promise<void> {
  const startedMs = performance.now()
  for (let n = 0; !stage.isOver; n++) {
    const aheadMs = (1_000 * n) / framesPerSecond - (performance.now() - startedMs)
    if (aheadMs > 0) await stage.pause(aheadMs)
    if (!(await step(n))) return
  }
}
