/** Prompts: Liquid templates, and `prompt.yaml`. Both are documented to throw, saying what is wrong. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { renderCharacters } from '../../../orchestrator/prompts/limits.ts'
import { readPromptFile } from '../../../orchestrator/prompts/prompt-files.ts'
import { compileTemplate } from '../../../orchestrator/prompts/template.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import { yamlFor } from '../grammar/yaml.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { kindOf } from './promises.ts'

/** What a bug in here would throw: the documented refusals are plain errors of ours or of the template engine. */
function refusalOf(error: unknown): string {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error
  return kindOf(error.message)
}

function runTemplate({ text }: Input): string {
  try {
    const template = compileTemplate(text)
    const rendered = template.render({ date: '2026-01-01', model: 'm', tenant: '{{ model }}', channel: '{%' })
    assert.ok(rendered.length <= 2 * renderCharacters, `a template made ${rendered.length} characters`)
    assert.ok(template.staticLength <= text.length)
    return rendered.length === 0 ? 'empty' : 'ok'
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return refusalOf(error)
  }
}

const variable = words(
  'model',
  'date',
  'tenant',
  'project',
  'channel',
  'name',
  'model.name',
  '"a"',
  '1',
  '(1..9)',
  '(1..100000000)',
  'nil',
)
const filter = words(
  '',
  ' | upcase',
  ' | append: "x"',
  ' | times: 1e9',
  ' | split: ""',
  ' | join',
  ' | date: "%Y"',
  ' | nope',
  ' | slice: 0, 99999999',
  ' | where: "a"',
  ' | json',
)
const tag = oneOf(
  inOrder(word('{{ '), variable, filter, filter, word(' }}')),
  inOrder(word('{% if '), variable, word(' %}'), textsOf(nasty), words('{% endif %}', '{% else %}x{% endif %}', '')),
  inOrder(word('{% for i in '), variable, word(' %}x{% for j in '), variable, word(' %}y{% endfor %}{% endfor %}')),
  inOrder(word('{% assign a = '), variable, filter, word(' %}')),
  words(
    '{% include "a" %}',
    '{% render "a" %}',
    '{% raw %}',
    '{% endraw %}',
    '{% comment %}',
    '{% cycle 1,2 %}',
    '{% capture a %}x{% endcapture %}',
    '{%- liquid\necho model\n-%}',
    '{{',
    '{%',
    '{% tablerow i in (1..9) %}{% endtablerow %}',
  ),
)
const long = oneOf(
  repeated('{{ model }}', many),
  repeated('{% if model %}', many),
  repeated('{{', many),
  repeated('a', many),
  repeated('{% assign a%d = model %}', many),
)

export const templates: Target = {
  name: 'templates',
  what: "prompts' templates",
  grammar: mostly([8, listOf(oneOf(tag, words('Be kind. ', '\n', 'plain')), '', 6)], [1, long]),
  unitsMax: 256 * 1024,
  // The engine's own bound of 500 ms for each filling in; there are three.
  bound: { cpuMs: 5_000, heapBytes: 256 * 1024 * 1024 },
  run: runTemplate,
}

let file: string | undefined
function promptFile(): string {
  file ??= path.join(mkdtempSync(path.join(tmpdir(), 'sluice-fuzz-')), 'prompt.yaml')
  return file
}

function runPromptFile({ text }: Input): string {
  writeFileSync(promptFile(), text)
  try {
    const read = readPromptFile(promptFile())
    assert.ok(read.versions.length > 0)
    return 'ok'
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return refusalOf(error)
  }
}

const hash = 'a'.repeat(64)
const names = [
  'versions',
  'labels',
  'experiments',
  'version',
  'sha256',
  'date',
  'changed',
  'production',
  'variants',
  'flag',
  'channels',
  'weight',
  'label',
]

export const promptFiles: Target = {
  name: 'prompt-files',
  what: 'prompt.yaml',
  grammar: mostly(
    [3, yamlFor(names, ['1', hash, '2026-01-01', 'first', '[{ version: 1 }]'])],
    [
      1,
      inOrder(
        word(
          `versions:\n  - { version: 1, sha256: ${hash}, date: 2026-01-01, changed: first }\nlabels:\n  production: 1\n`,
        ),
        yamlFor(names, ['1', 'x']),
      ),
    ],
  ),
  unitsMax: 256 * 1024,
  bound: { cpuMs: 5_000, heapBytes: 512 * 1024 * 1024, leastHeapBytes: 80 * 1024 * 1024 },
  run: runPromptFile,
}
