/** What a provider may answer in place of an answer, read for what another form of the request would help. */
import assert from 'node:assert/strict'
import { faultIn } from '../../../orchestrator/providers/request-faults.ts'
import { many } from '../generate.ts'
import { hostileJson } from '../grammar/json.ts'
import { inOrder, listOf, mostly, oneOf, repeated, word, words } from '../grammar/pieces.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'

const removable = ['max_tokens', 'stream_options', 'temperature']

function run({ text }: Input): string {
  const fault = faultIn(400, text, { removable, answerTokens: 4_096, hasSystem: true })
  if (fault === undefined) return 'none'
  if (fault.kind === 'unsupported') {
    assert.ok(fault.names.length > 0 && fault.names.every((name) => removable.includes(name)), 'a name was not sent')
    return fault.names.join(' ')
  }
  if ('tokens' in fault) assert.ok(fault.tokens >= 16 && Number.isSafeInteger(fault.tokens), 'no number of tokens')
  return fault.kind
}

const said = words(
  "Unsupported parameter: 'max_tokens'",
  'Unrecognized request argument supplied: stream_options',
  'does not support parameters: [',
  'temperature is not supported',
  'Unknown name "stream_options"',
  'loc": ["body", "temperature"]',
  'maximum context length is 4096 tokens',
  'context window of ',
  'max_tokens is too large: 4096. at most 1024',
  'System role not supported',
  'n_ctx: 512',
)
const blanks = mostly([4, word(' ')], [1, repeated(' ', many)], [1, repeated('\\n', many)], [1, repeated('a', many)])
const sentence = listOf(oneOf(said, blanks), ' ')
const field = oneOf(
  inOrder(word('"message":"'), sentence, word('"')),
  words('"param":"max_tokens"', '"code":"unsupported_parameter"', '"code":400', '"type":"invalid_request_error"'),
)

export const providerRefusals: Target = {
  name: 'provider-refusals',
  what: 'refusals of a provider',
  grammar: mostly([8, inOrder(word('{"error":{'), listOf(field, ','), word('}}'))], [2, sentence], [1, hostileJson]),
  // What is read of a refusal.
  unitsMax: 64 * 1024,
  bound: { cpuMs: 50, heapBytes: 32 * 1024 * 1024 },
  run,
}
