import { expect, it } from 'vitest'
import type { Flags } from '../../orchestrator/flags.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import type { LogRecord, RecordOf } from '../../protocol/record.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import { type Bench, owner, startBench } from './bench.ts'
import { folderOf, promptOf } from './prompts-folder.ts'

const experiments = { tone: { flag: 'prompt-tone', variants: { only: { version: 2, weight: 1 } } } }
const prompts = loadPrompts(
  folderOf({
    ...promptOf('default', ['Be kind to {{tenant}}.', 'Be brief with {{model}}.'], { experiments }),
    'plain.md': 'Be plain.',
  }),
)

/** With an experiment for the one session that is called so. */
const flags: Flags = {
  of: async ({ session, tenant }) => ({
    hedging: true,
    continue: true,
    cache: true,
    experiment: (flag) => flag === 'prompt-tone' && session === 'tried' && tenant === owner.tenant,
  }),
}

const isOpening = (record: LogRecord): record is RecordOf<'turn.started'> | RecordOf<'turn.restarted'> =>
  record.type === 'turn.started' || record.type === 'turn.restarted'

function systemOf(bench: Bench): unknown {
  return bench.model.requests.at(-1)?.chat?.messages[0]?.content
}

it('[PROMPT-16] an attempt’s record says which prompt, version and variant the model was asked with', async () => {
  await using bench = await startBench({ prompts, flags })
  const ask = async (session: string, attributes = {}) => {
    await bench.session(session)
    const reply = await bench.turns.send(bench.request(session, 'Hello', { attributes, model: 'other' }))
    if (reply.kind !== 'accepted') throw new Error(reply.refusal.message)
    await bench.terminal(session, reply.turn)
    const { prompt } = await bench.record(session, isOpening)
    return [prompt, systemOf(bench)]
  }
  expect(await ask('untried')).toEqual([{ name: 'default', version: 1 }, 'Be kind to tenant.'])
  expect(await ask('tried')).toEqual([
    { name: 'default', version: 2, experiment: 'tone', variant: 'only' },
    'Be brief with other.',
  ])
  expect(await ask('named', { prompt: 'plain' })).toEqual([{ name: 'plain', version: 0 }, 'Be plain.'])
})

it('[PROMPT-13] a prompt that is not there refuses a message', async () => {
  await using bench = await startBench({ prompts, flags })
  const session = await bench.session()
  const reply = await bench.turns.send(bench.request(session, 'Hello', { attributes: { prompt: 'none' } }))
  expect(reply).toMatchObject({ kind: 'refused', refusal: { kind: 'invalid' } })
})

it.each([
  ['its own', 'plain', { name: 'plain', version: 0 }],
  ['one that is not there any more', 'gone', { name: 'default', version: 2, experiment: 'tone', variant: 'only' }],
])('[PROMPT-16] a session with %s is taken over with a prompt, which the record says', async (_, prompt, expected) => {
  const log = createMemoryLog()
  const session = 'tried'
  await log.create({ session, owner, attributes: { prompt }, timeMs: 1 })
  const message = { messageId: 'm', content: 'Hello' }
  const record = { type: 'message.added', timeMs: 1, turn: 'turn', message } as const
  await log.accept({ session, messageId: 'm', hash: 'h', turn: 'turn', token: 'dead', leaseMs: 1, record })
  await using bench = await startBench({ prompts, flags, log })
  bench.turns.suspect(session, 'turn')
  expect((await bench.record(session, isOpening)).prompt).toEqual(expected)
})
