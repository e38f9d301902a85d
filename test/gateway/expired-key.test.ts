import { expect, test } from 'vitest'
import { Chat } from '../../gateway/chat.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'

test('[CONN-37] a session that is made again with the key of an expired one has its own attributes', async () => {
  let nowMs = 1_000
  const log = createMemoryLog({ now: () => nowMs, ttlMs: 1_000 })
  const turns = {
    offersPrompt: () => true,
    suspect: () => undefined,
    send: () => Promise.reject(new Error('no message is sent here')),
  }
  const chat = new Chat(
    log,
    turns,
    () => nowMs,
    (error) => {
      throw error
    },
  )
  const ada = { subject: 'ada', tenant: 'default', scopes: new Set(['chat'] as const), expiresAtMs: 10_000 }
  const prompts: (string | undefined)[] = []
  for (const prompt of ['brief', 'long']) {
    const made = await chat.create(ada, { key: 'k', prompt })
    if (made.kind !== 'ok') throw new Error(JSON.stringify(made))
    expect(made.isNew).toBe(true)
    const owned = await chat.owned(ada, made.session)
    prompts.push(owned.kind === 'ok' ? owned.info.prompt : undefined)
    nowMs += 2_000
  }
  expect(prompts).toEqual(['brief', 'long'])
  await log.close()
})
