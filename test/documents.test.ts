/**
 * docs/PROTOCOL.md is what others write clients from, so what the code says has to be in it. A field that was added
 * without a word there fails here, and so does a walk-through whose frames no gateway would send or take.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { statusOfKind } from '../gateway/http/refusals.ts'
import { allRoutes } from '../gateway/http/routes.ts'
import { closeCodes } from '../protocol/close-code.ts'
import { down } from '../protocol/down.ts'
import { errorKinds } from '../protocol/error.ts'
import { wireJsonSchema } from '../protocol/json-schema.ts'
import { up } from '../protocol/up.ts'

const root = path.resolve(import.meta.dirname, '..')
const protocol = readFileSync(path.join(root, 'docs', 'PROTOCOL.md'), 'utf8')

/** Names of types and of fields, from anywhere in a JSON Schema. */
function namesIn(schema: unknown): { types: Set<string>; fields: Set<string> } {
  const types = new Set<string>()
  const fields = new Set<string>()
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item)
    if (typeof value !== 'object' || value === null) return
    if ('properties' in value && typeof value.properties === 'object' && value.properties !== null) {
      for (const [name, field] of Object.entries(value.properties)) {
        fields.add(name)
        if (name === 'type' && typeof field.const === 'string') types.add(field.const)
      }
    }
    for (const child of Object.values(value)) walk(child)
  }
  walk(schema)
  return { types, fields }
}

describe('docs/PROTOCOL.md', () => {
  const { types, fields } = namesIn(wireJsonSchema())

  test('[SPEC-4] names every message and every field', () => {
    expect(types.size).toBeGreaterThan(30)
    expect([...types].filter((type) => !protocol.includes(`\`${type}\``))).toEqual([])
    expect([...fields].filter((field) => !new RegExp(`\\b${field}\\b`).test(protocol))).toEqual([])
  })

  test('[SPEC-4] names every error kind with its status, every close code and every route', () => {
    expect(errorKinds.filter((kind) => !protocol.includes(`| \`${kind}\` |`))).toEqual([])
    const statuses = protocol.slice(protocol.indexOf('### Refusals'))
    expect(errorKinds.filter((kind) => !hasStatus(statuses, kind, statusOfKind[kind]))).toEqual([])
    expect(Object.values(closeCodes).filter((code) => !protocol.includes(`| ${code} |`))).toEqual([])
    const paths = allRoutes.map(({ method, path: at }) => `${method} ${at.replaceAll(/:(\w+)/g, '{$1}')}`)
    expect(paths.filter((route) => !protocol.includes(`\`${route}`))).toEqual([])
  })

  const frames = framesOf(protocol)

  test.each(frames)('[SPEC-5] %s %s', (direction, frame) => {
    const schema = direction === '→' ? up : down
    expect(schema.safeParse(JSON.parse(frame)).error?.issues).toBeUndefined()
  })

  test('[SPEC-5] most frames of the walk-throughs are whole', () => {
    expect(frames.length).toBeGreaterThan(40)
  })
})

/** A row of the table of statuses: a kind, or several, then the status. */
function hasStatus(text: string, kind: string, status: number): boolean {
  return text.split('|').some((cell, index, cells) => {
    return cell.includes(`\`${kind}\``) && (cells[index + 1] ?? '').trim().startsWith(String(status))
  })
}

/** The walk-throughs' frames that nothing was left out of, with their direction; long ones go on in indented lines. */
function framesOf(text: string): [string, string][] {
  const walks = text.slice(text.indexOf('\n## Walk-throughs'), text.indexOf('\n## Bad input'))
  const joined = walks.replaceAll(/\n {3}(?=\S)/g, '')
  const found = joined.matchAll(/^([→←]) (?:\([a-z ]+\) )?(\{.*\})/gm)
  return [...found]
    .map(([, direction = '', frame = '']): [string, string] => [direction, frame])
    .filter(([, frame]) => isWhole(frame))
}

/** Where something was left out stands an ellipsis, which is no JSON. */
function isWhole(frame: string): boolean {
  try {
    JSON.parse(frame)
    return true
  } catch {
    return false
  }
}

test('[SPEC-6] links between the documents lead somewhere', () => {
  const documents = [
    'README.md',
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    'helm/README.md',
    ...globSync('docs/**/*.md', { cwd: root }),
  ]
  const broken = documents.flatMap((document) => brokenLinks(document))
  expect(broken).toEqual([])
})

function brokenLinks(document: string): string[] {
  const text = readFileSync(path.join(root, document), 'utf8')
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = '']) => link)
    .filter((link) => !/^https?:/.test(link) && !leads(document, text, link))
    .map((link) => `${document}: ${link}`)
}

function leads(document: string, text: string, link: string): boolean {
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? path.join(root, document) : path.join(root, path.dirname(document), file)
  if (!existsSync(target)) return false
  if (anchor === undefined) return true
  const headings = (file === '' ? text : readFileSync(target, 'utf8')).matchAll(/^#+ (.+)$/gm)
  return [...headings].some(([, heading = '']) => slugOf(heading) === anchor)
}

/** As GitHub makes an anchor of a heading. */
function slugOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} -]/gu, '')
    .replaceAll(' ', '-')
}
