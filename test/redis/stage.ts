import { vi } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { TurnReading } from '../nodes/turn-reading.ts'
import { socketAt } from '../nodes/two-nodes.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import type { WireClient } from '../support/wire.ts'

/** About four seconds of answer, all of which can be computed. */
export const question = 'Tell me.\n[[answer=demo tokens=400 tps=100]]'
export const expected = answerFor({ model: 'sluice-demo', messages: [{ role: 'user', content: question }] }).text

/** Two gateways in this process over one Redis; an answer that one of them produces is watched on both. */
export interface Stage extends AsyncDisposable {
  readonly one: TestGateway
  readonly other: TestGateway
  /** Of the producing node and of the other one. */
  readonly sockets: readonly [WireClient, WireClient]
  readonly readings: readonly [TurnReading, TurnReading]
  readonly session: string
  readonly turn: string
}

export type Environment = Readonly<Record<string, string>>

export interface StageOptions {
  /** Each node's own variables; the second's are the first's where they are not given. */
  readonly env: Environment
  readonly otherEnv?: Environment
  readonly content?: string
}

/** Resolves when both watchers are in the middle of the answer. */
export async function startStage({ env, otherEnv = env, content = question }: StageOptions): Promise<Stage> {
  const one = await startTestGateway({ env })
  const other = await startTestGateway({ env: otherEnv })
  const asking = await socketAt(one)
  const watching = await socketAt(other)
  const { session } = await asking.ask({ type: 'session.open' }, 'session.opened')
  await watching.ask({ type: 'session.open', session }, 'session.opened')
  const { turn } = await asking.ask({ type: 'message.send', session, messageId: 'm', content }, 'message.accepted')
  const readings = [new TurnReading(asking, turn), new TurnReading(watching, turn)] as const
  await Promise.all(readings.map((reading) => reading.atLeast(200)))
  return {
    one,
    other,
    sockets: [asking, watching],
    readings,
    session,
    turn,
    async [Symbol.asyncDispose]() {
      await one[Symbol.asyncDispose]()
      await other[Symbol.asyncDispose]()
    },
  }
}

/** What both watchers have in the end. A text that is not the end's by length and hash throws. */
export async function endsOf({ readings }: Stage) {
  const ends = await Promise.all(readings.map((reading) => reading.end()))
  return ends.map(({ type }, index) => ({ type, text: readings[index]?.text, restarts: readings[index]?.restarts }))
}

/** The same at both: the whole answer, by the one producer that it had. */
export const wholeAnswer = Array.from({ length: 2 }, () => ({ type: 'turn.completed', text: expected, restarts: [] }))

export async function readiness(gateway: TestGateway): Promise<{ status: number; reasons: unknown }> {
  const answer = await fetch(`${gateway.httpUrl}/readyz`)
  const { reasons } = (await answer.json()) as { reasons: unknown }
  return { status: answer.status, reasons }
}

/** Asks until it is so, for a bounded time; the last failure is what is told. */
export function eventually<T>(look: () => T | Promise<T>, timeout = 15_000): Promise<T> {
  return vi.waitFor(look, { timeout, interval: 25 })
}

/** The types of a session's records as a node tells them, which may have to find the store again first. */
export async function recordTypes(client: WireClient, session: string): Promise<readonly string[]> {
  const { records } = await eventually(() => client.ask({ type: 'history.get', session }, 'history.page'))
  return records.map(({ type }) => type)
}
