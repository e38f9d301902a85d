import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { createMemoryLog } from '../../../sessions/memory-log.ts'
import { portOf } from '../../support/port-of.ts'
import { startBench } from '../bench.ts'

const turnCount = 1_000
const pauseMs = 2_000

interface Asked {
  readonly arrivedMs: number
  refusedMs?: number
}

/** Takes nothing for a while after its first request, and says for how long; then it answers. */
async function startTired() {
  let awakeMs = 0
  const asked = new Map<string, Asked[]>()
  const server = createServer(async (request, response) => {
    const { messages } = JSON.parse(await text(request)) as { messages: { content: string }[] }
    const question = messages.at(-1)?.content ?? ''
    const mine: Asked = { arrivedMs: performance.now() }
    const before = asked.get(question) ?? []
    asked.set(question, [...before, mine])
    awakeMs ||= performance.now() + pauseMs
    if (performance.now() < awakeMs) {
      response.writeHead(429, { 'retry-after': String(pauseMs / 1_000), 'content-type': 'application/json' })
      mine.refusedMs = performance.now()
      response.end('{"error":{"message":"slow down","type":"requests"}}')
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('data: {"choices":[{"delta":{"content":"yes"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return { asked, server, url: `http://127.0.0.1:${portOf(server)}/v1` }
}

test('[ROUTE-24] a herd that is told to wait comes back later and spread out, and none is lost', async () => {
  const { asked, server, url } = await startTired()
  await using bench = await startBench({
    log: createMemoryLog({ maxSessionsPerOwner: turnCount }),
    policy: (policy) => ({
      ...policy,
      targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, baseUrl: url }])),
      retry: { ...policy.retry, totalMs: 60_000, baseMs: 250, maxMs: 8_000, connectMs: 60_000, triesPerTarget: 2 },
    }),
  })
  const sent = await Promise.all(
    Array.from({ length: turnCount }, async (_, index) => {
      const session = await bench.session()
      return { session, reply: await bench.turns.send(bench.request(session, `question ${index}`)) }
    }),
  )
  const ends = await Promise.all(
    sent.map(({ session, reply }) => {
      if (reply.kind !== 'accepted') throw new Error(JSON.stringify(reply))
      return bench.terminal(session, reply.turn, 60_000)
    }),
  )
  expect(ends.filter(({ type }) => type === 'turn.completed')).toHaveLength(turnCount)
  const all = [...asked.values()]
  expect(all).toHaveLength(turnCount)
  const refused = all.filter(([first]) => first?.refusedMs !== undefined)
  expect(refused.length).toBeGreaterThan(0)
  // Who was refused asks once more, and not before the pause is over, as its provider sees it.
  expect(all.every((times) => times.length <= 2)).toBe(true)
  for (const [first, second] of refused)
    expect((second?.arrivedMs ?? 0) - (first?.refusedMs ?? 0)).toBeGreaterThanOrEqual(pauseMs)
  const answered = all.map((times) => times.at(-1)?.arrivedMs ?? 0)
  expect(Math.max(...answered) - Math.min(...answered)).toBeGreaterThan(pauseMs / 4)
  server.closeAllConnections()
  server.close()
}, 90_000)
