import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { Chat, type TurnSender } from '../../gateway/chat.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'

const owner = { tenant: 'acme', subject: 'ada' }
const identity = { ...owner, scopes: new Set(['chat'] as const), expiresAtMs: 1e15 }
const session = 'session'
const nobody: TurnSender = {
  offersPrompt: () => true,
  suspect: () => undefined,
  send: async () => {
    throw new Error('nothing is sent here')
  },
}

test('[FEEDBACK-5] feedback carries the prompt of the turn’s last attempt, however far back the answer is', async () => {
  const log = createMemoryLog()
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  const message = { messageId: 'm', content: 'Hello' }
  const record = { type: 'message.added', timeMs: 1, turn: 'turn', message } as const
  await log.accept({ session, messageId: 'm', hash: 'h', turn: 'turn', token: 't', leaseMs: 60_000, record })
  let nowMs = 7
  let rating: 1 | -1 = 1
  const chat = new Chat(
    log,
    nobody,
    () => nowMs++,
    () => undefined,
  )
  const give = async () => {
    rating = rating === 1 ? -1 : 1
    const given = await chat.giveFeedback(identity, { session, turn: 'turn', rating })
    if (given.kind === 'refused') throw new Error(given.refusal.message)
    return given.record
  }
  expect(await give()).not.toHaveProperty('prompt')
  for (const version of [1, 2]) {
    const fields = { timeMs: 1, turn: 'turn', attempt: version, model: 'm', prompt: { name: 'default', version } }
    const open =
      version === 1
        ? ({ type: 'turn.started', ...fields } as const)
        : ({ type: 'turn.restarted', reason: 'lost', ...fields } as const)
    const fence = { token: 't', turn: 'turn', attempt: version }
    await log.append({ session, fence, part: 0, at: 0, text: new Uint8Array(0), open, leaseMs: 0, maxBytes: 1_000 })
  }
  const expected = {
    type: 'feedback.added',
    turn: 'turn',
    prompt: { name: 'default', version: 2 },
  }
  expect(await give()).toMatchObject(expected)
  const end = {
    type: 'turn.completed',
    timeMs: 1,
    turn: 'turn',
    attempt: 2,
    finishReason: 'stop',
    usage: { inputTokens: 1, outputTokens: 1, source: 'exact' },
    bytes: 0,
    sha256: createHash('sha256').update('').digest('hex'),
  } as const
  expect((await log.end({ session, token: 't', turn: 'turn', attempt: 2, record: end, parts: [] })).kind).toBe('ok')
  for (let n = 1; n <= 300; n += 1) {
    const asked = { ...record, turn: `turn-${n}`, message: { messageId: `m-${n}`, content: 'Hello' } }
    const claim = { session, messageId: `m-${n}`, hash: 'h', turn: asked.turn, token: asked.turn, leaseMs: 60_000 }
    await log.accept({ ...claim, record: asked })
    const empty = { ...end, turn: asked.turn, attempt: 0 }
    await log.end({ session, token: asked.turn, turn: asked.turn, attempt: 0, record: empty, parts: [] })
  }
  expect(await give()).toMatchObject(expected)
  await log.close()
})
