/** Recordings and traces that `sluice load` replays. A file that is none is refused with its line. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { azureScripts } from '../../../load/tester/sources/azure.ts'
import { SourceError } from '../../../load/tester/sources/lines.ts'
import { mooncakeScripts } from '../../../load/tester/sources/mooncake.ts'
import { mtBenchScripts } from '../../../load/tester/sources/mt-bench.ts'
import { recordingScripts } from '../../../load/tester/sources/recording.ts'
import type { Script, SourceNotes } from '../../../load/tester/sources/script.ts'
import { shareGptScripts } from '../../../load/tester/sources/share-gpt.ts'
import { many } from '../generate.ts'
import { hostileJson } from '../grammar/json.ts'
import { inOrder, listOf, mostly, oneOf, repeated, word, words } from '../grammar/pieces.ts'
import { bytesOf, type Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { kindOf } from './promises.ts'

type Source = (file: string, notes: SourceNotes) => AsyncGenerator<Script>
const sources: readonly Source[] = [recordingScripts, mooncakeScripts, azureScripts, mtBenchScripts, shareGptScripts]

/** Of an endless or huge source no more is asked for. */
const scriptsMax = 200

let file: string | undefined
function recordingFile(): string {
  file ??= path.join(mkdtempSync(path.join(tmpdir(), 'sluice-fuzz-')), 'recording')
  return file
}

async function run({ text }: Input): Promise<string> {
  writeFileSync(recordingFile(), bytesOf(text))
  const kinds: string[] = []
  for (const source of sources) kinds.push(await kindFrom(source))
  return kinds.join(' ')
}

async function kindFrom(source: Source): Promise<string> {
  let count = 0
  let lastMs = 0
  try {
    for await (const script of source(recordingFile(), { cutCount: 0 })) {
      assert.ok(script.questions.length > 0, 'a session without a question')
      assert.ok(
        script.questions.every((question) => question.text.length > 0),
        'a question without text',
      )
      assert.ok((script.startMs ?? 0) >= lastMs, 'a session before the one before it')
      lastMs = script.startMs ?? 0
      if (++count === scriptsMax) break
    }
    return `ok${Math.min(2, count)}`
  } catch (error) {
    if (!(error instanceof SourceError)) throw error
    return kindOf(error.message.split(': ')[1] ?? '')
  }
}

const number = mostly(
  [8, words('0', '1', '5', '100', '2.5')],
  [1, words('-1', '1e999', '9007199254740993', '1e300')],
  [1, hostileJson],
)
const event = oneOf(
  inOrder(word('{"type":"socket.opened","socket":'), number, word(',"atMs":'), number, word('}')),
  inOrder(word('{"type":"socket.closed","code":1006,"socket":'), number, word(',"atMs":'), number, word('}')),
  inOrder(
    word('{"type":"session.opened","socket":'),
    number,
    word(',"session":'),
    number,
    word(',"atMs":'),
    number,
    word('}'),
  ),
  inOrder(
    word('{"type":"message","session":'),
    number,
    word(',"contentBytes":'),
    number,
    word(',"atMs":'),
    number,
    word('}'),
  ),
  inOrder(
    word('{"type":"turn.ended","session":'),
    number,
    word(',"bytes":'),
    number,
    word(',"atMs":'),
    number,
    word('}'),
  ),
  inOrder(
    word('{"type":"cancel","session":'),
    number,
    word(',"afterMs":'),
    number,
    word(',"atMs":'),
    number,
    word('}'),
  ),
  hostileJson,
)
const head = words('{"format":"sluice-recording","version":1,"startedMs":0}', '{}', '')
const recording = inOrder(head, word('\n'), listOf(event, '\n', 12))
const mooncake = listOf(
  inOrder(
    word('{"timestamp":'),
    number,
    word(',"input_length":'),
    number,
    word(',"output_length":'),
    number,
    word('}'),
  ),
  '\n',
)
const azure = listOf(
  words(
    'TIMESTAMP,ContextTokens,GeneratedTokens',
    '2023-11-16 18:15:46.6805900,374,44',
    '2023-99-16 18:15:46,1,1',
    '2023-11-16 18:15:46,0,999999999',
    ',,',
  ),
  '\n',
)
const questions = listOf(
  oneOf(
    inOrder(word('{"turns":['), hostileJson, word(']}')),
    words(
      '{"turns":["a","b"]}',
      '{"conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}',
      '[{"conversations":[]}]',
      '{"conversations":',
      '{"a":"}',
    ),
  ),
  '\n',
)
const long = oneOf(
  repeated('{"turns":["a"]}\n', many),
  repeated('{', many),
  repeated('\n', many),
  repeated('{"a":[', many),
  repeated('{"type":"message","atMs":1,"session":%d,"contentBytes":1}\n', many),
)

export const recordings: Target = {
  name: 'recordings',
  what: 'files that sluice load replays',
  grammar: mostly(
    [5, recording],
    [2, mooncake],
    [2, azure],
    [2, questions],
    [1, inOrder(head, word('\n'), long)],
    [1, long],
  ),
  unitsMax: 256 * 1024,
  // Five readers, of a file that its user chose.
  bound: { cpuMs: 1_500, heapBytes: 256 * 1024 * 1024 },
  run,
}
