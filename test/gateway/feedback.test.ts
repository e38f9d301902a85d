import { expect, test } from 'vitest'
import { ratedPageRecords, ratedPages } from '../../gateway/bounds.ts'
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

test('[FEEDBACK-5] feedback carries the prompt of the turn’s last attempt, and goes without on an answer far back', async () => {
  const log = createMemoryLog()
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  const message = { messageId: 'm', content: 'Hello' }
  const record = { type: 'message.added', timeMs: 1, turn: 'turn', message } as const
  await log.accept({ session, messageId: 'm', hash: 'h', turn: 'turn', token: 't', leaseMs: 60_000, record })
  let nowMs = 7
  const chat = new Chat(
    log,
    nobody,
    () => nowMs++,
    () => undefined,
  )
  const give = async () => {
    const given = await chat.giveFeedback(identity, { session, turn: 'turn', rating: 1 })
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
    rating: 1,
    prompt: { name: 'default', version: 2 },
  }
  for (let given = 0; given < ratedPages * ratedPageRecords; given++) expect(await give()).toMatchObject(expected)
  const page = await log.page({ session, limit: 1 })
  expect(page.kind === 'ok' && page.entries[0]?.record).toMatchObject(expected)
  expect(await give()).not.toHaveProperty('prompt')
  await log.close()
})
