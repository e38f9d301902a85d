import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { exposure } from '../gateway/exposure.ts'
import { withTable } from '../gateway/http/write-schemas.ts'

const docs = path.resolve(import.meta.dirname, '..', 'docs')
const read = (name: string) => readFileSync(path.join(docs, name), 'utf8')

test('[SPEC-240] docs/LIMITS.md has the table of bounds as the code has it', () => {
  const page = read('LIMITS.md')
  expect(page).toBe(withTable(page))
})

test('[SPEC-240] each line of the table names rules that are in docs/SPEC.md', () => {
  const rules = exposure.flatMap((line) => line.rules)
  const spec = read('SPEC.md')
  expect(rules.filter((rule) => !spec.includes(`- **${rule}** `))).toEqual([])
  expect(exposure.filter((line) => line.rules.length === 0)).toEqual([])
})
