import { describe, expect, it } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import { shown, startBench } from './bench.ts'

describe('a turn', () => {
  it('[TURN-1] is accepted, called, appended and ended with the whole answer', async () => {
    await using bench = await startBench()
    const session = await bench.session()
    const reply = await bench.turns.send(bench.request(session, 'What is a tape?'))
    if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
    const terminal = await bench.terminal(session, reply.turn)
    const asked = bench.model.requests[0]?.chat
    if (asked === undefined) throw new Error('the model was not asked')
    const answer = answerFor(asked)
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'stop', usage: { source: 'exact' } })
    const entries = await bench.history(session)
    expect(entries.at(-1)?.texts?.[0]?.toString()).toBe(answer.text)
    expect(shown(bench.delivered, reply.turn)).toBe(answer.text)
    expect(entries.map((entry) => entry.record.type)).toEqual(['message.added', 'turn.started', 'turn.completed'])
  })
})
