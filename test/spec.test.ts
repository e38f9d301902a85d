/**
 * docs/SPEC.md says what holds; tests show it. A rule that no test cites is a wish, and a test that cites a rule which
 * nobody wrote down shows something else than it says. So the two lists are compared here, in both directions.
 *
 * The names are read from the tests' syntax, not from their text: an id in a comment shows nothing.
 */
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parseSync } from 'vite'
import { describe, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')

/** A rule begins its line: `- **STORE-7** sentence`. */
const ruleLine = /^- \*\*([A-Z]+-\d+)\*\* (.*)$/gm
/** A name cites its rules at its beginning: `[STORE-7] sentence`. */
const citations = /^(?:\[[A-Z]+-\d+\] ?)+/

type Rule = { readonly id: string; readonly sentence: string }
type Citation = { readonly id: string; readonly file: string }

function rulesOf(specification: string): Rule[] {
  return [...specification.matchAll(ruleLine)].map(([, id = '', sentence = '']) => ({ id, sentence }))
}

/** The rules that the names of this file's tests cite. */
function citedBy(file: string, text: string): Citation[] {
  const { program, errors } = parseSync(file, text)
  const [error] = errors
  if (error) throw new Error(`unable to parse ${file}: ${error.message}`)
  const cited: Citation[] = []
  visit(program, (node) => {
    if (node.type !== 'CallExpression' || !isTestFunction(node.callee)) return
    const [cites = ''] = citations.exec(nameIn(node.arguments)) ?? []
    for (const [, id = ''] of cites.matchAll(/\[([A-Z]+-\d+)\]/g)) cited.push({ id, file })
  })
  return cited
}

/** `test`, `test.each`, `test.each(…)`, `describe.for(…)`: what matters is the name at its root. */
function isTestFunction(callee: unknown): boolean {
  if (!isNode(callee)) return false
  if (callee.type === 'Identifier') return callee.name === 'test' || callee.name === 'it' || callee.name === 'describe'
  if (callee.type === 'MemberExpression') return isTestFunction(callee.object)
  if (callee.type === 'CallExpression' || callee.type === 'TaggedTemplateExpression')
    return isTestFunction(callee.callee ?? callee.tag)
  return false
}

/** A literal's text, or a template's up to its first hole; empty for anything else. */
function nameIn(callArguments: unknown): string {
  const first: unknown = Array.isArray(callArguments) ? callArguments[0] : undefined
  if (!isNode(first)) return ''
  if (first.type === 'Literal') return typeof first.value === 'string' ? first.value : ''
  const quasi: unknown = first.type === 'TemplateLiteral' && Array.isArray(first.quasis) ? first.quasis[0] : undefined
  if (!isNode(quasi) || !isRecord(quasi.value)) return ''
  return typeof quasi.value.cooked === 'string' ? quasi.value.cooked : ''
}

type SyntaxNode = Readonly<Record<string, unknown>> & { readonly type: string }

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}

function isNode(value: unknown): value is SyntaxNode {
  return isRecord(value) && typeof value.type === 'string'
}

function visit(value: unknown, look: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, look)
  else if (isRecord(value)) {
    if (isNode(value)) look(value)
    for (const child of Object.values(value)) visit(child, look)
  }
}

function repeated(ids: readonly string[]): string[] {
  return ids.filter((id, index) => ids.indexOf(id) !== index)
}

/** What is cited and not written, with the files, for whoever has to write it. */
function unwritten(rules: readonly Rule[], cited: readonly Citation[]): string[] {
  const written = new Set(rules.map(({ id }) => id))
  const missing = cited.filter(({ id }) => !written.has(id))
  return [...new Set(missing.map(({ id, file }) => `${id} in ${file}`))]
}

/** What is written and not cited. */
function unshown(rules: readonly Rule[], cited: readonly Citation[]): string[] {
  const shown = new Set(cited.map(({ id }) => id))
  return rules.map(({ id }) => id).filter((id) => !shown.has(id))
}

describe('the specification', () => {
  const rules = rulesOf(readFileSync(path.join(root, 'docs', 'SPEC.md'), 'utf8'))
  const files = globSync('test/**/*.ts', { cwd: root, exclude: (name) => name.includes('node_modules') })
  const cited = files.flatMap((file) => citedBy(file, readFileSync(path.join(root, file), 'utf8')))

  test('[SPEC-1] every rule is cited by the name of a test', () => {
    expect(unshown(rules, cited)).toEqual([])
  })

  test('[SPEC-2] every rule that a test cites is written down', () => {
    expect(unwritten(rules, cited)).toEqual([])
  })

  test('[SPEC-3] a rule is written once, and says something', () => {
    expect(repeated(rules.map(({ id }) => id))).toEqual([])
    expect(rules.filter(({ sentence }) => !/\w.*\.$/.test(sentence))).toEqual([])
    expect(rules.length).toBeGreaterThan(100)
  })
})

describe('how the two are compared', () => {
  const rules = rulesOf('# Rules\n\n- **A-1** One.\n- **A-2** Two.\ntext - **A-3** is none\n')

  test('[SPEC-1] a rule without a test is found', () => {
    expect(unshown(rules, citedBy('a.ts', "test('[A-1] one', () => {})"))).toEqual(['A-2'])
  })

  test('[SPEC-2] a citation without a rule is found, in whatever form a test is named', () => {
    const names = [
      "test('[A-1] [B-1] one', () => {})",
      "test.each([[1]])('[B-2] %s', () => {})",
      `describe.for([1])(\`[B-3] \${name}\`, () => {})`,
      "it.concurrent('[B-4] one', () => {})",
      "// test('[B-5] in a comment')",
      "log('[B-6] not a test')",
      "test('of [B-7] in the middle', () => {})",
    ]
    const found = unwritten(rules, citedBy('a.ts', names.join('\n')))
    expect(found).toEqual(['B-1 in a.ts', 'B-2 in a.ts', 'B-3 in a.ts', 'B-4 in a.ts'])
  })

  test('[SPEC-3] a rule that is written twice is found', () => {
    expect(repeated(['A-1', 'A-2', 'A-1'])).toEqual(['A-1'])
  })
})
