/** What goes to a provider and comes back: identifiers found and hidden, placeholders restored, words looked for, in any parts. */
import assert from 'node:assert/strict'
import { createOutputFilter } from '../../../orchestrator/privacy/filter-words.ts'
import { createRedactor } from '../../../orchestrator/privacy/redact.ts'
import { createRestorer } from '../../../orchestrator/privacy/restore.ts'
import { WordList } from '../../../orchestrator/privacy/word-list.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import { type Input, textParts } from '../recipe.ts'
import type { Target } from '../target.ts'

const redactor = createRedactor(
  { redact: ['email', 'phone', 'card', 'iban', 'ip'], custom: [], filter: { words: [] } },
  new Uint8Array(32).fill(7),
)
const values = new Map([
  ['QEMAIL7K3F9A2D', 'ada@example.com'],
  ['QPHONE2AAAAAAA', '+49 30 901820'],
])
const forbidden = new WordList(['verboten', 'no go', 'aab', 'Straße'])

async function run({ text, cuts }: Input): Promise<string> {
  const redaction = await redactor.redact('s-1', [{ role: 'user', content: text }])
  assert.equal(redaction.kind, 'ok')
  if (redaction.kind !== 'ok') return 'refused'
  const hidden = redaction.messages[0]?.content ?? ''
  assert.equal(redaction.restorer.push(hidden) + redaction.restorer.end(), text, 'what was hidden does not come back')
  assert.equal(restored(textParts(text, cuts)), restored([text]), 'in parts it is restored otherwise than whole')
  const whole = filtered([text])
  assert.equal(filtered(textParts(text, cuts)), whole, 'in parts it is filtered otherwise than whole')
  assert.ok(text.startsWith(whole.slice(0, -1)))
  return [...redaction.counts.keys(), whole.at(-1)].sort().join(' ')
}

function restored(parts: Iterable<string>): string {
  const restorer = createRestorer(values)
  let text = ''
  for (const part of parts) text += restorer.push(part)
  return text + restorer.end()
}

/** What is let out, and whether it was stopped there. */
function filtered(parts: Iterable<string>): string {
  const filter = createOutputFilter(forbidden)
  let text = ''
  for (const part of parts) {
    const out = filter.push(part)
    text += out.text
    if (out.isStopped) return `${text}!`
  }
  const { text: rest, isStopped } = filter.end()
  return `${text}${rest}${isStopped ? '!' : '.'}`
}

const identifier = words(
  'ada@example.com',
  'a.b+c@d-e.example',
  '+49 30 901820',
  '(030) 90 18 20',
  '4111 1111 1111 1111',
  '4111-1111-1111-1111',
  'DE89 3704 0044 0532 0130 00',
  '192.0.2.1',
  '2001:db8::1',
  'a@b',
  '@',
  '1.2.3',
  '+1',
  'QEMAIL7K3F9A2D',
  'qemail7k3f9a2d',
  'QEMAIL7K3',
  'Q',
)
const plain = mostly(
  [
    4,
    words(
      ' ',
      'text ',
      '\n',
      ', ',
      'tel: ',
      'verboten',
      'VERBOTEN',
      'no go',
      'no  go',
      'aaab',
      'Strasse',
      'straße',
      '1',
      '-',
    ),
  ],
  [1, textsOf(nasty)],
)
const long = oneOf(
  ...['a@', 'a.', '1', '1 ', '+1', '1-', 'Q', 'a@b.c ', 'DE', ':', '1.', '(', '\u{1f600}', '4111 ', 'aa', 'no '].map(
    (one) => repeated(one, many),
  ),
)

export const redaction: Target = {
  name: 'redaction',
  what: 'texts that are redacted, restored and filtered',
  grammar: mostly(
    [8, listOf(oneOf(identifier, plain), '', 12)],
    [1, inOrder(long, identifier)],
    [1, inOrder(word('tel '), long)],
  ),
  // A message; its bound is SLUICE_MAX_CONTENT_BYTES.
  unitsMax: 128 * 1024,
  bound: { cpuMs: 600, heapBytes: 128 * 1024 * 1024, leastHeapBytes: 32 * 1024 * 1024 },
  run,
}
