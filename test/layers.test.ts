/**
 * The layers of the project, as rules over imports. A layer that reaches into another one compiles and works, and then
 * stays; so the tree itself is read here. The parser sees every form: static, re-export, type-only, `import()` and the
 * `import('…')` type.
 *
 * The rules are checked against synthetic files too: a rule that no import could break would prove nothing.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import path from 'node:path'
import { parseSync } from 'vite'
import { describe, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')

/** What each layer may see beside itself. `packages` names the only packages allowed; absent means any. */
const layers = {
  protocol: { sees: [], packages: ['zod'] },
  sessions: { sees: ['protocol'] },
  orchestrator: { sees: ['protocol'] },
  client: { sees: ['protocol'] },
  gateway: { sees: ['protocol', 'sessions', 'orchestrator'] },
  web: { sees: ['client', 'protocol'] },
  load: { sees: ['protocol', 'client'] },
  cli: { sees: ['protocol', 'sessions', 'orchestrator', 'client', 'gateway', 'web', 'load'] },
} as const satisfies Record<string, { sees: readonly string[]; packages?: readonly string[] }>

type Layer = keyof typeof layers

const isLayer = (name: string): name is Layer => Object.hasOwn(layers, name)

type Import = { readonly specifier: string; readonly isType: boolean }

type SourceFile = { readonly file: string; readonly text: string }

/** Every import of a file, in whatever form. A dynamic import of something computed is reported as the specifier `?`. */
function importsOf({ file, text }: SourceFile): Import[] {
  const { program, errors } = parseSync(file, text)
  const [error] = errors
  if (error) throw new Error(`unable to parse ${file}: ${error.message}`)
  const found: Import[] = []
  visit(program, (node) => {
    if (!importing.has(String(node.type)) || !node.source) return
    const value = isNode(node.source) && typeof node.source.value === 'string' ? node.source.value : '?'
    // `import { type A }` keeps the import when the types are stripped; only a whole `import type` is none.
    const isType = node.type === 'TSImportType' || node.importKind === 'type' || node.exportKind === 'type'
    found.push({ specifier: value, isType })
  })
  return found
}

const importing = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
])

const isNode = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

function visit(value: unknown, look: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, look)
  else if (isNode(value)) {
    look(value)
    for (const child of Object.values(value)) visit(child, look)
  }
}

const isOfNode = (specifier: string) => specifier.startsWith('node:') || builtinModules.includes(specifier)
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** Where a relative import leads, from the project's root. */
const targetOf = (file: string, specifier: string) => path.posix.join(path.posix.dirname(file), specifier)
const layerOf = (file: string) => file.split('/')[0] ?? ''

/** One line for each import of the file that its layer does not allow. */
function breachesOf(source: SourceFile): string[] {
  const layer = layerOf(source.file)
  if (!isLayer(layer)) throw new Error(`${source.file} is in no layer`)
  return importsOf(source)
    .filter(({ specifier }) => !isAllowed(layer, source.file, specifier))
    .map(({ specifier }) => `${source.file} imports ${specifier}`)
}

function isAllowed(layer: Layer, file: string, specifier: string): boolean {
  const rule: { sees: readonly string[]; packages?: readonly string[] } = layers[layer]
  if (!specifier.startsWith('.')) {
    return rule.packages === undefined || (!isOfNode(specifier) && rule.packages.includes(packageOf(specifier)))
  }
  const target = targetOf(file, specifier)
  const seen = layerOf(target)
  return seen === layer || rule.sees.includes(seen) || (target === 'package.json' && layer !== 'protocol')
}

// An assignment is no reading: uWebSockets.js can be configured in no other way.
const environmentRead =
  /\bprocess\s*\??\.\s*env\b(?!\.\w+\s*(\?\?)?=[^=])|\bprocess\s*\[\s*['"]env|\benv\b[^\n]*from 'node:process'/
const readsEnvironment = (text: string) => environmentRead.test(withoutComments(text))
const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')

function sourcesOf(layer: string): SourceFile[] {
  return globSync(`${layer}/**/*.{ts,tsx}`, {
    cwd: root,
    exclude: ['**/node_modules/**', '**/dist/**', 'load/peers/**'],
  })
    .map((file) => file.split(path.sep).join('/'))
    .sort()
    .map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') }))
}

/** The packages that the entries load when they run, through every import for more than types, each with the way to it. */
function runtimePackagesOf(
  entries: readonly string[],
  read: (file: string) => string | undefined,
): Map<string, string> {
  const packages = new Map<string, string>()
  const ways = new Map<string, string>(entries.map((entry) => [entry, entry]))
  for (const [file, way] of ways) {
    const text = read(file)
    if (text === undefined) throw new Error(`${way} does not exist`)
    for (const { specifier, isType } of importsOf({ file, text })) {
      if (isType) continue
      if (!specifier.startsWith('.')) packages.set(packageOf(specifier), way)
      else if (!ways.has(targetOf(file, specifier))) {
        ways.set(targetOf(file, specifier), `${way} → ${targetOf(file, specifier)}`)
      }
    }
  }
  return packages
}

const readSource = (file: string) => {
  const place = path.join(root, file)
  return existsSync(place) ? readFileSync(place, 'utf8') : undefined
}

describe('the tree', () => {
  test.each(Object.keys(layers))('[LAYER-1] %s imports only what its layer may see', (layer) => {
    expect(sourcesOf(layer).flatMap(breachesOf)).toEqual([])
  })

  test('[LAYER-2] the client loads types and constants of the protocol, never zod', () => {
    const packages = runtimePackagesOf(
      sourcesOf('client').map(({ file }) => file),
      readSource,
    )
    expect(packages.get('zod')).toBeUndefined()
  })

  test('[LAYER-3] in the gateway main.ts alone reads the environment; sessions, orchestrator and protocol do not', () => {
    const readers = ['protocol', 'sessions', 'orchestrator', 'gateway']
      .flatMap(sourcesOf)
      .filter(({ text }) => readsEnvironment(text))
      .map(({ file }) => file)
    expect(readers.filter((file) => file !== 'gateway/main.ts')).toEqual([])
  })

  test('[LAYER-4] the rules were tried on a real tree', () => {
    const files = ['protocol', 'sessions', 'orchestrator', 'gateway', 'client'].map((layer) => sourcesOf(layer).length)
    expect(Math.min(...files)).toBeGreaterThan(0)
  })
})

describe('the rules themselves', () => {
  test.each([
    ['protocol/up.ts', `import fs from 'node:fs'`],
    ['protocol/up.ts', `import fs from 'fs'`],
    ['protocol/up.ts', `import { Hono } from 'hono'`],
    ['protocol/up.ts', `import type { Feed } from '../sessions/feed.ts'`],
    ['sessions/feed.ts', `import { runTurn } from '../orchestrator/run-turn.ts'`],
    ['sessions/feed.ts', `export * from '../orchestrator/run-turn.ts'`],
    ['sessions/feed.ts', `import { clock } from '../test/support/clock.ts'`],
    ['orchestrator/run-turn.ts', `const log = await import('../sessions/memory-log.ts')`],
    ['orchestrator/run-turn.ts', `type Log = import('../sessions/session-log.ts').SessionLog`],
    ['gateway/http/routes.ts', `import { Tape } from '../../client/tape.ts'`],
    ['gateway/http/routes.ts', `import { start } from '../../cli/start.ts'`],
    ['client/tape.ts', `import { bounds } from '../gateway/bounds.ts'`],
    ['web/main.ts', `import { outbox } from '../gateway/outbox.ts'`],
    ['load/main.ts', `import { outbox } from '../gateway/outbox.ts'`],
    ['protocol/up.ts', `const name = 'node:fs'; const fs = await import(name)`],
  ])('[LAYER-5] %s: %s is a breach', (file, text) => {
    expect(breachesOf({ file, text })).toHaveLength(1)
  })

  test.each([
    ['protocol/up.ts', `import { z } from 'zod'`],
    ['protocol/up/hello.ts', `import { id } from '../shapes.ts'`],
    ['gateway/http/routes.ts', `import type { SessionLog } from '../../sessions/session-log.ts'`],
    ['cli/start.ts', `import { serve } from '../load/model-server/main.ts'`],
    [
      'sessions/feed.ts',
      `// import { runTurn } from '../orchestrator/run-turn.ts'\nconst text = "import '../gateway/main.ts'"`,
    ],
  ])('[LAYER-5] %s: %s is allowed', (file, text) => {
    expect(breachesOf({ file, text })).toEqual([])
  })

  test('[LAYER-5] zod behind two modules is found, behind a type is not', () => {
    const files = new Map([
      ['client/a.ts', `import '../protocol/b.ts'`],
      ['protocol/b.ts', `export { c } from './c.ts'`],
      ['protocol/c.ts', `import { z } from 'zod'`],
      [
        'client/d.ts',
        `// größer → kürzer\nimport type { C } from '../protocol/c.ts'\nexport type * from '../protocol/c.ts'`,
      ],
    ])
    const read = (file: string) => files.get(file)
    expect(runtimePackagesOf(['client/a.ts'], read).get('zod')).toBe('client/a.ts → protocol/b.ts → protocol/c.ts')
    expect(runtimePackagesOf(['client/d.ts'], read).has('zod')).toBe(false)
  })

  test('[LAYER-5] a read of the environment is seen, a mention of it is not', () => {
    expect(readsEnvironment('const port = process.env.PORT')).toBe(true)
    expect(readsEnvironment(`import { env } from 'node:process'`)).toBe(true)
    expect(readsEnvironment(`process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= '8192'`)).toBe(false)
    expect(readsEnvironment('// process.env is read in main.ts alone')).toBe(false)
  })
})
