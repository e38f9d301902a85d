/** Frames from a gateway, as the client takes them: it has no schemas, so a frame of a wrong shape must do no more than be counted. */
import assert from 'node:assert/strict'
import type { Input as ClientInput } from '../../../client/event.ts'
import type { ClientState } from '../../../client/state.ts'
import { initialState, step } from '../../../client/step.ts'
import { type Down, down } from '../../../protocol/down.ts'
import { jsonFor } from '../grammar/json.ts'
import { listOf, mostly } from '../grammar/pieces.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'

const nowMs = 1_900_000_000_000
const socket = 2

const greeting: readonly ClientInput[] = [
  { type: 'connect' },
  { type: 'token', ticket: 1, token: 't' },
  { type: 'socket-opened', socket },
  { type: 'watch', local: 'a', target: { id: 's-1' } },
  { type: 'watch', local: 'b', target: { creation: { key: 'k-1' } } },
]
const connected = greeting.reduce((state, input) => after(state, input), initialState())
assert.equal(connected.link.kind, 'greeting')

function after(state: ClientState, input: ClientInput): ClientState {
  return step(state, { ...input, nowMs, roll: 0.5 }).state
}

/** A frame on each line, on one connection; the first is a `welcome` that is as it should be. */
function run({ text }: Input): string {
  let state = connected
  const kinds = new Set<string>()
  let isOfProtocol = true
  for (const line of [welcome, ...text.split('\n', framesMax)]) {
    const frame = frameIn(line)
    if (frame === undefined) continue
    try {
      state = after(state, { type: 'frame', socket, frame })
      kinds.add(String(frame.type).slice(0, 20))
    } catch (error) {
      assert.ok(!down.safeParse(frame).success, `a frame of the protocol was too much: ${error}`)
      kinds.add('threw')
    }
    // The client has no schemas, and believes what a gateway sends: another frame may leave a time that is no number.
    isOfProtocol &&= down.safeParse(frame).success
    if (Number.isNaN(state.dueMs)) {
      assert.ok(!isOfProtocol, 'after this frame the client waits for a time that is no number')
      return [...kinds, 'no time'].sort().join(' ')
    }
    state = after(state, { type: 'tick' })
  }
  return [...kinds].sort().join(' ')
}

const framesMax = 20
const welcome =
  '{"type":"welcome","protocol":"sluice.v1","connection":"c-1","subject":"ada","tenant":"default","heartbeatMs":25000,"expiresAtMs":1900000600000,"limits":{"contentBytes":131072,"framesPerSecond":100,"watchedSessions":200,"frameBytes":262144}}'

/** As `client/connection-shell.ts` reads it. */
function frameIn(line: string): Down | undefined {
  try {
    const frame: unknown = JSON.parse(line)
    const isTyped = typeof frame === 'object' && frame !== null && 'type' in frame && typeof frame.type === 'string'
    // The client trusts the shape; whether that does harm is the question here.
    return isTyped ? (frame as Down) : undefined
  } catch {
    return undefined
  }
}

export const clientFrames: Target = {
  name: 'client-frames',
  what: 'frames from a gateway, in the client',
  grammar: mostly([6, listOf(jsonFor(down), '\n', 5)], [1, jsonFor(down)]),
  // A frame down has at most 256 KiB.
  unitsMax: 256 * 1024,
  bound: { cpuMs: 200, heapBytes: 64 * 1024 * 1024 },
  run,
}
