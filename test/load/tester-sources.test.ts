import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { contentBytesMax, contentJsonBytesMax } from '../../load/tester/bounds.ts'
import { azureScripts } from '../../load/tester/sources/azure.ts'
import { madeScripts } from '../../load/tester/sources/made.ts'
import { mooncakeScripts } from '../../load/tester/sources/mooncake.ts'
import { mtBenchScripts } from '../../load/tester/sources/mt-bench.ts'
import { recordingScripts } from '../../load/tester/sources/recording.ts'
import type { Script, SourceNotes } from '../../load/tester/sources/script.ts'
import { shareGptScripts } from '../../load/tester/sources/share-gpt.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-sources-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Source = (file: string, notes: SourceNotes) => AsyncGenerator<Script>

function fileOf(text: string): string {
  const file = join(folder, 'source')
  writeFileSync(file, text)
  return file
}

async function read(source: Source, text: string, notes: SourceNotes = { cutCount: 0 }): Promise<readonly Script[]> {
  const scripts: Script[] = []
  for await (const script of source(fileOf(text), notes)) scripts.push(script)
  return scripts
}

const lines = (...values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).join('\n')

test('[LOAD-1] a row of an Azure trace is a session of one question, at its time and of its length', async () => {
  const rows = [
    'TIMESTAMP,ContextTokens,GeneratedTokens',
    '2023-11-16 18:15:46.6805900,374,44',
    '',
    '2023-11-16 18:15:50.9951690,10,109\r',
  ]
  const [first, second, ...rest] = await read(azureScripts, rows.join('\n'))
  expect(rest).toEqual([])
  expect(first).toMatchObject({ startMs: 0, questions: [{ atMs: 0, outputTokens: 44 }] })
  expect(first?.questions[0]?.text.length).toBeGreaterThan(374 * 4 - 4)
  expect(first?.questions[0]?.text.length).toBeLessThanOrEqual(374 * 4)
  expect(second?.startMs).toBeCloseTo(4314.579, 3)
  expect(second?.questions[0]?.outputTokens).toBe(109)
})

test('[LOAD-1] a line of a Mooncake trace is a session of one question', async () => {
  const trace = lines(
    { timestamp: 27, input_length: 6, output_length: 52, hash_ids: [1, 2] },
    { timestamp: 3027, input_length: 7, output_length: 26, hash_ids: [] },
  )
  expect(await read(mooncakeScripts, trace)).toMatchObject([
    { startMs: 0, questions: [{ outputTokens: 52 }] },
    { startMs: 3000, questions: [{ outputTokens: 26 }] },
  ])
})

const conversations = [
  {
    id: 'a',
    conversations: [
      { from: 'human', value: 'Say "{"' },
      { from: 'gpt', value: 'x'.repeat(40) },
      { from: 'human', value: '\\" } again' },
    ],
  },
  { id: 'b', conversations: [{ from: 'gpt', value: 'nobody asked' }] },
  { id: 'c', conversations: [{ from: 'human', value: 'Grüße 🙂' }] },
]

test('[LOAD-1] ShareGPT conversations are read from an array and from lines, whatever braces stand in their texts', async () => {
  const expected = [
    { questions: [{ text: 'Say "{"', outputTokens: 10 }, { text: '\\" } again' }] },
    { questions: [{ text: 'Grüße 🙂' }] },
  ]
  expect(await read(shareGptScripts, JSON.stringify(conversations))).toEqual(expected)
  expect(await read(shareGptScripts, JSON.stringify(conversations, null, 2))).toEqual(expected)
  expect(await read(shareGptScripts, lines(...conversations))).toEqual(expected)
})

test('[LOAD-1] objects that are spread over many pieces of a file are put together', async () => {
  const long = { conversations: [{ from: 'human', value: `ü"{\\${'y'.repeat(100_000)}` }] }
  const scripts = await read(shareGptScripts, JSON.stringify([long, long, long]))
  expect(scripts.map(({ questions }) => questions[0]?.text)).toEqual(Array(3).fill(long.conversations[0]?.value))
})

test('[LOAD-1] MT-bench prompts are sessions of their turns', async () => {
  const prompts = lines({ question_id: 81, turns: ['One', 'Two'] }, { turns: ['Three'] })
  expect(await read(mtBenchScripts, prompts)).toEqual([
    { questions: [{ text: 'One' }, { text: 'Two' }] },
    { questions: [{ text: 'Three' }] },
  ])
})

test('[LOAD-1] made questions need no file and differ', async () => {
  const made = madeScripts({ questions: 2, inputTokens: 10, outputTokens: 7 }, { cutCount: 0 })
  const scripts = [(await made.next()).value, (await made.next()).value]
  const questions = scripts.flatMap((script) => script.questions)
  expect(new Set(questions.map(({ text }) => text)).size).toBe(4)
  expect(questions.map(({ outputTokens }) => outputTokens)).toEqual([7, 7, 7, 7])
})

const header = { format: 'sluice-recording', version: 1, startedMs: 0 }
const azureHead = 'TIMESTAMP,ContextTokens,GeneratedTokens\n'

test.each<readonly [string, Source, string, RegExp]>([
  ['a row with a column too few', azureScripts, `${azureHead}2023-11-16 18:15:46.68,374`, /line 2: .* is no TIMESTAMP/],
  [
    'a row before the one above',
    azureScripts,
    `${azureHead}2023-11-16 18:15:46,1,1\n2023-11-16 18:15:45,1,1`,
    /line 3: .*sort/,
  ],
  [
    'a length that is none',
    mooncakeScripts,
    lines({ timestamp: 0, input_length: -1, output_length: 1 }),
    /line 1: input/,
  ],
  ['no JSON', mtBenchScripts, `${lines({ turns: ['a'] })}\n\n{"turns": [}`, /line 3: it is no JSON/],
  ['no turns', mtBenchScripts, lines({ turns: [] }), /line 1: turns/],
  ['no conversation', shareGptScripts, '[{"conversations": []},\n{"conversation": []}]', /line 2: conversations/],
  ['a file that was cut', shareGptScripts, '[\n\n{"conversations": [', /line 3: the file ends inside/],
  ['no header', recordingScripts, lines({ atMs: 1, type: 'socket.opened', socket: 1 }), /line 1: format/],
  [
    'an event without its session',
    recordingScripts,
    lines(header, { atMs: 1, type: 'message', socket: 1 }),
    /line 2: session/,
  ],
])('[LOAD-1] %s is told with its line', async (_what, source, text, message) => {
  await expect(read(source, text)).rejects.toThrow(message)
})

test('[LOAD-2] what is too long is cut between characters and counted', async () => {
  const notes = { cutCount: 0 }
  const prompts = lines({ turns: ['🙂'.repeat(contentBytesMax), '\u0001'.repeat(contentBytesMax - 1), 'short'] })
  const [script] = await read(mtBenchScripts, prompts, notes)
  const texts = script?.questions.map(({ text }) => text) ?? []
  expect(notes.cutCount).toBe(2)
  expect(texts[2]).toBe('short')
  for (const text of texts) {
    expect(text.isWellFormed()).toBe(true)
    expect(Buffer.byteLength(text)).toBeLessThanOrEqual(contentBytesMax)
    expect(Buffer.byteLength(JSON.stringify(text))).toBeLessThanOrEqual(contentJsonBytesMax)
    expect(text).not.toContain('\u{fffd}')
  }
  const [huge] = await read(mooncakeScripts, lines({ timestamp: 0, input_length: 120_000, output_length: 1 }), notes)
  expect(notes.cutCount).toBe(3)
  expect(Buffer.byteLength(huge?.questions[0]?.text ?? '')).toBeLessThanOrEqual(contentBytesMax)
})

test('[LOAD-3] a recording gives sessions with times, lengths, models, cancels, drops and watchers', async () => {
  const recording = lines(
    header,
    { atMs: 100, type: 'socket.opened', socket: 1 },
    { atMs: 110, type: 'session.opened', socket: 1, session: 7 },
    { atMs: 150, type: 'message', session: 7, model: 'fast', contentBytes: 80 },
    { atMs: 200, type: 'something.new', colour: 'red' },
    { atMs: 300, type: 'session.opened', socket: 2, session: 8 },
    { atMs: 310, type: 'session.opened', socket: 3, session: 8 },
    { atMs: 320, type: 'message', session: 8, contentBytes: 5, content: 'Hello' },
    { atMs: 400, type: 'turn.ended', session: 7, bytes: 400, outputTokens: 90, ms: 250 },
    { atMs: 500, type: 'socket.closed', socket: 1, code: 1006 },
    { atMs: 520, type: 'cancel', session: 8, afterMs: 200 },
    { atMs: 530, type: 'turn.ended', session: 8, bytes: 40, ms: 210 },
    { atMs: 2500, type: 'session.opened', socket: 4, session: 7 },
    { atMs: 2600, type: 'message', session: 7, contentBytes: 40 },
    { atMs: 2700, type: 'socket.closed', socket: 4, code: 1000 },
  )
  const [first, second, ...rest] = await read(recordingScripts, recording)
  expect(rest).toEqual([])
  expect(first).toMatchObject({
    startMs: 0,
    watcherCount: 0,
    drops: [{ atMs: 390, awayMs: 2000 }],
    questions: [{ atMs: 40, model: 'fast', outputTokens: 90 }, { atMs: 2490 }],
  })
  expect(first?.questions[0]?.text.length).toBeGreaterThan(75)
  expect(first?.questions[0]?.text.length).toBeLessThanOrEqual(80)
  expect(second).toEqual({
    startMs: 190,
    watcherCount: 1,
    drops: [],
    questions: [{ atMs: 20, text: 'Hello', cancelAfterMs: 200 }],
  })
})
