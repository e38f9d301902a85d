import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkAnswer, readCases } from '../../cli/prompt/cases.ts'
import { evaluate } from '../../cli/prompt/evaluate.ts'
import { findVersion } from '../../cli/prompt/reference.ts'
import { htmlReport } from '../../cli/prompt/report.ts'
import { unifiedDiff } from '../../cli/prompt/unified-diff.ts'
import { startModelServer } from '../../load/model-server/server.ts'
import type { Provider } from '../../orchestrator/ports.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import { createOpenAiProvider } from '../../orchestrator/providers/openai.ts'
import { folderOf, promptOf } from '../orchestrator/prompts-folder.ts'
import { ended, main, run } from './command.ts'

const experiments = { tone: { flag: 'prompt-tone', variants: { new: { version: 2, weight: 10 } } } }
const labels = { production: 1, staging: 2 }
const texts = ['Be kind.\nAlways.\nToday is {{date}}.\n', 'Be brief.\nAlways.\nToday is {{date}}, by {{channel}}.\n']
const dir = folderOf({
  ...promptOf('default', texts, { experiments, labels }),
  'assignments.yaml': '- { prompt: default, label: staging, user: ada }',
})

const sluice = (...args: readonly string[]) => ended(run([main, 'prompt', ...args, '--dir', dir]))

describe('sluice prompt', () => {
  test('[CLI-8] list shows versions, labels, experiments and who is assigned what', async () => {
    const { code, said } = await sluice('list')
    expect(code).toBe(0)
    expect(said.trimEnd().split('\n')).toEqual([
      'default',
      expect.stringMatching(/^ {2}1 {2}2026-01-01 {2}number 1 {2}\(.*first 74 % static\) {2}← production$/),
      expect.stringMatching(/^ {2}2 {2}2026-01-01 {2}number 2 .*← staging$/),
      '  experiment tone, flag prompt-tone: new: version 2, weight 10',
      'assigned, the first that fits:',
      '  user ada: default@staging',
    ])
  })

  test('[CLI-9] render fills in a label’s or a version’s text, and refuses names that are not there', async () => {
    expect(await sluice('render', 'default@2', '--var', 'date=D', '--var', 'channel=a=b')).toEqual({
      code: 0,
      said: 'Be brief.\nAlways.\nToday is D, by a=b.\n',
      complained: '',
    })
    expect((await sluice('render', 'default@beta')).complained).toMatch(
      /labels production, staging and the versions 1, 2/,
    )
    const unknown = await sluice('render', 'default', '--var', 'dat=D')
    expect(unknown).toMatchObject({ code: 1, said: '' })
    expect(unknown.complained).toMatch(/of date, model, tenant/)
  })

  test('[CLI-10] diff shows what differs between two versions', async () => {
    const { said } = await sluice('diff', 'default', 'production', '2')
    expect(said).toBe(
      [
        '--- default@production',
        '+++ default@2',
        '@@ -1,3 +1,3 @@',
        '-Be kind.',
        '+Be brief.',
        ' Always.',
        '-Today is {{date}}.',
        '+Today is {{date}}, by {{channel}}.',
        '',
      ].join('\n'),
    )
  })

  test('[CLI-10] changes that are far apart are shown apart, and equal texts as nothing', () => {
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`)
    const other = lines.with(2, 'changed').toSpliced(25, 1)
    const heads = unifiedDiff('a', lines.join('\n'), 'b', other.join('\n')).match(/^@@.*@@$/gm)
    expect(heads).toEqual(['@@ -1,6 +1,6 @@', '@@ -23,7 +23,6 @@'])
    expect(unifiedDiff('a', 'same', 'b', 'same')).toBe('')
  })

  test('[CLI-11] eval judges both variants, writes both reports, and fails when a case does', async () => {
    const out = mkdtempSync(join(tmpdir(), 'sluice-eval-'))
    const cases = `
cases:
  - { name: answers, messages: "Hello\\n[[tokens=5 ttft=0 tps=0]]", expect: { matches: "\\\\S", maxTokens: 50 } }
  - { name: "is <b>bold</b>", messages: "Hello\\n[[tokens=5 ttft=0 tps=0]]", expect: { contains: nowhere } }
`
    const path = join(folderOf({ 'cases.yaml': cases }), 'cases.yaml')
    const variants = 'default@production,default@staging'
    const { code, said, complained } = await sluice('eval', path, '--variants', variants, '--out', out)
    expect([code, said]).toEqual([1, expect.stringContaining('default@production: 1 of 2 passed')])
    expect(complained).toContain('FAILED  default@staging  is <b>bold</b>')
    const report = JSON.parse(readFileSync(join(out, 'report.json'), 'utf8'))
    expect(report.variants.map((variant: { version: number }) => variant.version)).toEqual([1, 2])
    expect(report.cases[1].results).toMatchObject([{ passed: false }, { passed: false, checks: [{ passed: false }] }])
    const html = readFileSync(join(out, 'report.html'), 'utf8')
    expect(html).toContain('is &lt;b&gt;bold&lt;/b&gt;')
    expect(html).not.toMatch(/<b>bold|src=|href=/)
    expect((await sluice('eval', path, '--variants', 'default@none')).code).toBe(1)
  })
})

describe('an evaluation', () => {
  test('[CLI-12] asks with the variant’s text and the case’s values, message after message, no more at once than allowed', async () => {
    await using model = await startModelServer({ ttftMs: 20 })
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const provider = createOpenAiProvider({ baseUrl: model.url, headersMs: 5_000 }, quiet)
    const prompts = loadPrompts(dir)
    const variants = ['default@production', 'default@staging'].map((reference) => ({
      reference,
      version: findVersion(prompts, reference).version,
    }))
    const messages = ['One\n[[tokens=3 tps=0]]', 'Two\n[[tokens=3 tps=0]]']
    const one = { name: 'talk', messages, values: { date: 'D', channel: 'phone' }, expect: { maxBytes: 10_000 } }
    let [atOnce, most] = [0, 0]
    const over = () => {
      atOnce -= 1
    }
    const counting: Provider = {
      name: provider.name,
      close: () => provider.close(),
      call(request, sink) {
        atOnce += 1
        most = Math.max(most, atOnce)
        return provider.call(request, {
          connected: () => sink.connected(),
          started: (answer) => sink.started(answer),
          text: (piece) => sink.text(piece),
          ended: (end) => {
            over()
            sink.ended(end)
          },
          failed: (error) => {
            over()
            sink.failed(error)
          },
        })
      },
    }
    const many = Array.from({ length: 4 }, () => one)
    const reports = await evaluate(many, variants, {
      provider: counting,
      model: 'm',
      apiKey: 'k',
      concurrency: 2,
      done: () => undefined,
    })
    provider.close()
    expect(reports.map(({ results }) => results.map(({ variant, passed }) => [variant, passed]))).toEqual(
      many.map(() => [
        ['default@production', true],
        ['default@staging', true],
      ]),
    )
    expect(most).toBe(2)
    const asked = model.requests.map(({ chat }) =>
      chat?.messages.map(({ role, content }) => (role === 'assistant' ? role : content)),
    )
    expect(asked).toContainEqual(['Be brief.\nAlways.\nToday is D, by phone.', messages[0], 'assistant', messages[1]])
    expect(asked.length).toBe(many.length * variants.length * messages.length)
  })

  test('[CLI-12] a provider that fails is a failed case with its reason', async () => {
    await using model = await startModelServer({ fault: 'reset-mid' })
    const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
    const provider = createOpenAiProvider({ baseUrl: model.url, headersMs: 5_000 }, quiet)
    const variant = { reference: 'default', version: findVersion(loadPrompts(dir), 'default').version }
    const one = { name: 'broken', messages: ['Hello'], expect: {} }
    const [report] = await evaluate([one], [variant], {
      provider,
      model: 'm',
      apiKey: 'k',
      concurrency: 1,
      done: () => undefined,
    })
    provider.close()
    expect(report?.results).toMatchObject([{ passed: false, error: expect.stringMatching(/./) }])
  })

  test.each([
    ['contains', { contains: ['CANAL', 'lock'] }, 'A canal with a lock', true],
    ['contains', { contains: ['canal', 'lock'] }, 'A canal', false],
    ['notContains', { notContains: ['as an AI'] }, 'As an ai, I', false],
    ['matches', { matches: ['^\\d+$'] }, '42', true],
    ['matches', { matches: ['^\\d+$'] }, '42!', false],
    ['maxBytes', { maxBytes: 4 }, 'äöü', false],
    ['maxTokens', { maxTokens: 7 }, 'seven', true],
    ['maxTokens', { maxTokens: 6 }, 'seven', false],
    ['json', { json: true }, '[1]', true],
    ['json', { json: true }, '```json', false],
    ['json with keys', { json: { keys: ['a'] } }, '{"a":null}', true],
    ['json with keys', { json: { keys: ['a'] } }, '[]', false],
  ] as const)('[CLI-13] %s %j of %j: %s', (_, expected, text, passed) => {
    const checks = checkAnswer(structuredClone(expected) as Parameters<typeof checkAnswer>[0], {
      text,
      outputTokens: 7,
    })
    expect(checks.every((check) => check.passed)).toBe(passed)
    expect(checks.length).toBeGreaterThan(0)
  })

  test.each([
    ['no case', 'cases: []', /cases/],
    ['a misspelt expectation', 'cases: [{ name: a, messages: b, expect: { contain: c } }]', /contain/],
    ['a pattern that is none', 'cases: [{ name: a, messages: b, expect: { matches: "(" } }]', /regular expression/],
    ['a value of no variable', 'cases: [{ name: a, messages: b, values: { user: x }, expect: {} }]', /user/],
  ])('[CLI-13] %s is refused, with the file', (_, text, expected) => {
    const path = join(folderOf({ 'cases.yaml': text }), 'cases.yaml')
    expect(() => readCases(path)).toThrow(expected)
    expect(() => readCases(path)).toThrow(path)
  })

  test('[CLI-13] the cases that are delivered can be read', () => {
    expect(readCases(new URL('../../prompts/default/cases.yaml', import.meta.url).pathname).length).toBeGreaterThan(1)
  })

  test('[CLI-11] a report is whole without a case', () => {
    const report = { target: 't', model: 'm', startedAt: 's', variants: [], cases: [] }
    expect(htmlReport(report)).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  })
})
