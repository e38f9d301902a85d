import { expect, test } from 'vitest'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { LogListener, Subscription } from '../../sessions/session-log.ts'
import { appending, listen, makeSession, session, startTurn } from './contract/bench.ts'

const ignore = () => undefined
const deaf: LogListener = {
  confirmed: ignore,
  lost: ignore,
  record: ignore,
  delta: ignore,
  nudge: ignore,
  updated: ignore,
  erased: ignore,
}

test('[STORE-66] what a listener writes from a callback is told to all after the event at hand', async () => {
  const log = createMemoryLog()
  const made = { log, advance: ignore }
  await makeSession(made)
  const writes: Promise<unknown>[] = []
  log.subscribe(session, {
    ...deaf,
    delta: ({ turn }, part, _at, end) => {
      if (part === 1) return
      const fence = { token: 'token-1', turn, attempt: 1 }
      writes.push(log.append(appending(fence, 0, 'of the callback', { part: 1 })))
      if (end === 4) writes.push(log.cancel({ session, turn }), log.update({ session, metadata: {} }))
    },
  })
  const ear = await listen(made)
  await startTurn(log, 1, 'text')
  await Promise.all(writes)
  const told = (await ear.all()).map((heard) => (heard.kind === 'delta' ? `delta ${heard.part}` : heard.kind))
  expect(told).toEqual(['confirmed', 'record', 'record', 'delta 0', 'delta 1', 'nudge', 'updated'])
  await log.close()
})

test('[STORE-66] who closes within a callback, itself or another, hears no more', async () => {
  const log = createMemoryLog()
  const made = { log, advance: ignore }
  await makeSession(made)
  const subscriptions: Subscription[] = []
  const first = log.subscribe(session, {
    ...deaf,
    record: () => {
      for (const subscription of subscriptions) subscription.close()
    },
  })
  const other = await listen(made)
  const staying = await listen(made)
  subscriptions.push(first, other.subscription)
  await startTurn(log, 1, 'text')
  expect(await other.kinds()).toEqual(['confirmed'])
  expect(await staying.kinds()).toEqual(['confirmed', 'message.added', 'turn.started', 'delta'])
  await log.close()
})

test('[STORE-66] a listener sees the state that it is told of', async () => {
  const log = createMemoryLog()
  await makeSession({ log, advance: ignore })
  const seen: Promise<unknown>[] = []
  log.subscribe(session, { ...deaf, record: () => seen.push(log.open({ session, limit: 1 })) })
  await Promise.resolve()
  await startTurn(log, 1, 'text')
  expect(await Promise.all(seen)).toMatchObject([
    { head: { seq: 1 }, run: { turn: 'turn-1', attempt: 0 } },
    { head: { seq: 2 }, run: { turn: 'turn-1', attempt: 1, openedBy: 'token-1' } },
  ])
  await log.close()
})
