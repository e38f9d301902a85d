import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'
import { expect, it } from 'vitest'

const root = join(import.meta.dirname, '../..')
const maxBytes = 13 * 1024

it('[CLIENT-1] [CLIENT-3] weighs at most 13 KiB gzipped, and needs nothing that only some platforms have', async () => {
  const bundle = await rolldown({ input: join(root, 'client/index.ts'), platform: 'browser' })
  const { output } = await bundle.generate({ format: 'esm', minify: true, comments: false })
  await bundle.close()
  const [chunk] = output
  expect(output).toHaveLength(1)
  const modules = Object.keys(chunk.modules).map((path) => path.slice(root.length + 1))
  expect(modules).toContain('client/step.ts')
  expect(modules.filter((path) => !path.startsWith('client/') && !allowed.has(path))).toEqual([])
  // [CLIENT-3] Nothing that only a page or only Node has.
  expect(chunk.code).not.toMatch(
    /\b(?:window\.|localStorage|process\.|Buffer\.|structuredClone|TextEncoder|crypto\.subtle)/,
  )
  expect(gzipSync(chunk.code, { level: 9 }).length).toBeLessThanOrEqual(maxBytes)
})

const allowed = new Set(['limits', 'close-code', 'version', 'error', 'ending'].map((name) => `protocol/${name}.ts`))

it('[CLIENT-2] imports from outside only types and the constant modules of the protocol', () => {
  const found: string[] = []
  let files = 0
  for (const file of readdirSync(join(root, 'client'))) {
    files++
    const source = readFileSync(join(root, 'client', file), 'utf8')
    for (const [, words = '', path = ''] of source.matchAll(/^(?:import|export)\s([^;]*?)from '([^']+)'/gm)) {
      const isOutside = !path.startsWith('./')
      if (isOutside && !words.startsWith('type ') && !allowed.has(path.replace('../', '')))
        found.push(`${file}: ${path}`)
    }
  }
  expect(files).toBeGreaterThan(10)
  expect(found).toEqual([])
})
