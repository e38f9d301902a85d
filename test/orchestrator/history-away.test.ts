import { expect, it } from 'vitest'
import type { TurnLog } from '../../orchestrator/ports.ts'
import { startBench } from './bench.ts'

it('[TURN-38] an accepted message is answered although the store is away while its history is read', async () => {
  let failures = 4
  const between = (log: TurnLog): TurnLog => ({
    ...log,
    page(request) {
      if (failures === 0) return log.page(request)
      failures -= 1
      return Promise.reject(new Error('the store is away'))
    },
  })
  await using bench = await startBench({ between, model: { answer: 'echo' } })
  const session = await bench.session()
  for (const content of ['first', 'second']) {
    const sent = await bench.turns.send(bench.request(session, content))
    if (sent.kind !== 'accepted') throw new Error(JSON.stringify(sent))
    expect((await bench.terminal(session, sent.turn)).type).toBe('turn.completed')
  }
  expect(failures).toBe(0)
})
