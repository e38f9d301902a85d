import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  type Answer,
  type AnswerResult,
  createClient,
  type SessionHandle,
  type SluiceClient,
} from '../../client/index.ts'
import { answerFor } from '../../load/model-server/answer.ts'
import type { ModelServerOptions } from '../../load/model-server/server.ts'
import { type Drops, dropping } from '../support/dropping-socket.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { type Prompt, twoTurnPrompts } from '../support/prompts.ts'
import { testedTransports } from '../support/transports.ts'

const socketCount = 20
const killsPerConversation = 5

describe.each(testedTransports)('80 conversations of two turns, 20 sockets at once, over %s', (transport) => {
  test('[SYSTEM-1] every answer is completed and is what the model server sent', async () => {
    const model = { ttftMs: 20, tokensPerSecond: 2_000, keptRequestCount: 1_000 }
    await using gateway = await startTestGateway({ transport, model })
    const prompts = twoTurnPrompts()
    await eachSocket(async (n) => {
      const client = await connected(gateway, n, undefined)
      for (const prompt of prompts.slice(n * 4, n * 4 + 4)) await converse(client.newSession(), prompt, gateway, model)
      client.close()
    })
    expect(gateway.model.requests.length).toBe(160)
    expect(gateway.telemetry.troubles).toEqual([])
  })

  test('[SYSTEM-2] with each socket killed again and again, also between opening and being opened: nothing lost, nothing twice', async () => {
    const model = { ttftMs: 100, tokensPerSecond: 50, tokenCount: 250, keptRequestCount: 1_000 }
    await using gateway = await startTestGateway({ transport, model })
    const prompts = twoTurnPrompts()
    const drops = Array.from({ length: socketCount }, () => dropping())
    await eachSocket(async (n) => {
      const drop = drops[n] ?? dropping()
      const client = await connected(gateway, n, drop)
      for (const prompt of prompts.slice(n * 4, n * 4 + 4)) {
        const killing = killAtRandom(drop)
        await converse(client.newSession(), prompt, gateway, model)
        await killing
      }
      client.close()
    })
    expect(gateway.model.requests.length).toBe(160)
    for (const drop of drops) expect(drop.killCount).toBeGreaterThanOrEqual(4 * killsPerConversation)
    for (const drop of drops) expect(drop.killedOpenCount).toBeGreaterThanOrEqual(4)
    expect(gateway.telemetry.troubles).toEqual([])
  }, 180_000)
})

async function eachSocket(run: (n: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: socketCount }, (_, n) => run(n)))
}

async function connected(gateway: TestGateway, n: number, drop: Drops | undefined): Promise<SluiceClient> {
  const token = await gateway.token(`user-${n}`)
  const client = createClient({
    url: gateway.url,
    getToken: () => token,
    ...(drop === undefined ? {} : { WebSocket: drop.WebSocket as never }),
    limits: { backoffCapMs: 500 },
  })
  client.connect()
  return client
}

/** Both turns of a conversation, each answer compared with what the model server says it is. */
async function converse(
  session: SessionHandle,
  prompt: Prompt,
  gateway: TestGateway,
  model: ModelServerOptions,
): Promise<void> {
  for (const [index, content] of prompt.turns.entries()) {
    const { text, result } = await read(session.send(content))
    expect(result.kind, `${prompt.name}, turn ${index}: ${JSON.stringify(result).slice(0, 300)}`).toBe('completed')
    const expected = expectedAnswer(gateway, content, model)
    expect(text).toBe(expected)
    expect(result).toMatchObject({ text: expected, bytes: Buffer.byteLength(expected), sha256: sha256(expected) })
  }
  const { turns } = session.view
  expect(turns.map((turn) => [turn.content, turn.state])).toEqual(prompt.turns.map((content) => [content, 'completed']))
}

async function read(answer: Answer): Promise<{ readonly text: string; readonly result: AnswerResult }> {
  let text = ''
  for await (const piece of answer) text += piece
  return { text, result: await answer.result }
}

function expectedAnswer(gateway: TestGateway, content: string, model: ModelServerOptions): string {
  const asked = gateway.model.requests.filter((request) => request.chat?.messages.at(-1)?.content === content)
  const [request] = asked
  if (request?.chat === undefined) throw new Error('the model server was not asked')
  return answerFor(request.chat, model).text
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Four kills at random moments of a conversation of ten seconds, and one between an open and its answer. */
async function killAtRandom(drop: Drops): Promise<void> {
  const goal = drop.killCount + killsPerConversation
  const opens = drop.killedOpenCount + 1
  while (drop.killCount < goal) {
    await new Promise((resolve) => setTimeout(resolve, 200 + Math.random() * 2_000))
    if (drop.killedOpenCount < opens) drop.killOpens(1)
    drop.kill()
  }
}
