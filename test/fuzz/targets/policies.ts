/** `sluice.yaml`, with the patterns in it, and the file of feature flags. */
import assert from 'node:assert/strict'
import { problemsMax } from '../../../gateway/config/policy/bounds.ts'
import { readPattern } from '../../../gateway/config/policy/pattern.ts'
import { parsePolicyText } from '../../../gateway/config/policy/read-policy.ts'
import { policyFile } from '../../../gateway/config/policy/schema.ts'
import { many, nasty } from '../generate.ts'
import { listOf, mostly, oneOf, repeated, textsOf, words } from '../grammar/pieces.ts'
import { yamlFor } from '../grammar/yaml.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage, kindOf } from './promises.ts'

/** A value that a problem must not repeat: a key in the wrong place looks like it. */
const secretValue = 'sk-canary-0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghijklmnopqrstuvwxyz'

const names = [
  'version',
  'models',
  'targets',
  'default',
  'baseUrl',
  'keys',
  'env',
  'file',
  'model',
  'weight',
  'limits',
  'perDay',
  'perMonth',
  'subject',
  'tenant',
  'tenants',
  'project',
  'privacy',
  'redact',
  'custom',
  'pattern',
  'name',
  'filter',
  'words',
  'moderation',
  'cache',
  'ttl',
  'retries',
  'timeouts',
  'prices',
  'currency',
  'otherModels',
]
const values = [
  '1',
  '"0.05"',
  'groq',
  'https://api.example/v1',
  secretValue,
  `"${secretValue}"`,
  'pass',
  'refuse',
  '100ms',
  '[email, phone]',
  '{ env: OPENAI_API_KEY }',
  '{ file: key }',
  'EUR',
  'true',
]

function run({ text }: Input): string {
  const parsed = parsePolicyText('sluice.yaml', text)
  if (parsed.kind === 'ok') {
    assert.ok(policyFile.safeParse(parsed.file).success, 'what was read does not fit its own schema')
    return 'ok'
  }
  assert.ok(parsed.problems.length >= 1 && parsed.problems.length <= problemsMax + 1)
  for (const problem of parsed.problems) {
    assertMessage(problem)
    assert.ok(!problem.includes(secretValue), 'a problem repeats a value')
  }
  return kindOf(parsed.problems[0] ?? '').replaceAll(/'[^']*'/g, '…')
}

export const policies: Target = {
  name: 'sluice-yaml',
  what: 'sluice.yaml',
  grammar: yamlFor(names, values),
  unitsMax: 256 * 1024,
  // An operator's own file, read at the start and when it changed. The YAML package reads about 1 MB a second.
  bound: { cpuMs: 3_000, heapBytes: 512 * 1024 * 1024, leastHeapBytes: 80 * 1024 * 1024 },
  run,
}

function runPattern({ text }: Input): string {
  const read = readPattern(text)
  if (read.kind === 'wrong') {
    assertMessage(read.words)
    return kindOf(read.words)
  }
  // What was let in has a bounded number of ways to match, also in a text that is hard on it.
  for (const hard of ['a'.repeat(2_000), '0 '.repeat(1_000), text.repeat(3).slice(0, 2_000)]) hard.match(read.pattern)
  return 'ok'
}

const atom = mostly(
  [
    6,
    words(
      'a',
      '\\d',
      '[a-z0-9]',
      '.',
      '\\w',
      '\\b',
      '(?:a|b)',
      '(a)',
      '\\p{L}',
      '^',
      '$',
      '(?=a)',
      '(?<!b)',
      '[^]]',
      '\\1',
      '(?<n>a)',
      '\\k<n>',
    ),
  ],
  [1, words('(', ')', '[', ']', '|', '(?:', '(?i:a)')],
  [1, textsOf(nasty)],
)
const quantified = oneOf(
  words('', '', '?', '{1,40}', '{2}', '{0,512}', '*', '+', '{1,}', '{,3}', '??', '{3,1}'),
  repeated('?', many),
)

export const patterns: Target = {
  name: 'patterns',
  what: "an operator's patterns",
  grammar: mostly(
    [9, listOf(listOf(oneOf(atom, quantified), '', 3), '', 12)],
    [1, repeated('(', many)],
    [1, repeated('a{0,2}', many)],
    [1, repeated('(?:a|', many)],
  ),
  unitsMax: 4 * 1024,
  bound: { cpuMs: 100, heapBytes: 32 * 1024 * 1024 },
  run: runPattern,
}
