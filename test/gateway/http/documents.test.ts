import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openApiDocument, openApiPath } from '../../../gateway/http/openapi.ts'
import { allRoutes } from '../../../gateway/http/routes.ts'
import { schemaFiles } from '../../../gateway/http/write-schemas.ts'
import { errorKinds } from '../../../protocol/error.ts'
import { type Json, jsonOf, startStation } from './station.ts'

const committed = join(import.meta.dirname, '../../../docs/schema')

test.each([...schemaFiles().keys()])('[HTTP-48] docs/schema/%s is what the code says', async (name) => {
  const text = await readFile(join(committed, name), 'utf8')
  expect(text === schemaFiles().get(name), `${name} is old: run node cli/main.ts schema`).toBe(true)
})

test('[HTTP-48] both documents are served as they are committed', async () => {
  await using station = await startStation()
  for (const [path, name] of [
    ['/v1/openapi.json', 'openapi.json'],
    ['/v1/protocol.json', 'sluice.v1.json'],
  ] as const) {
    const served = await fetch(station.url + path)
    expect(served.headers.get('content-type')).toContain('application/json')
    expect(await served.text()).toBe(schemaFiles().get(name))
  }
})

test('[HTTP-104] a document that is known is not sent again, to whoever asks', async () => {
  await using station = await startStation()
  for (const path of ['/v1/openapi.json', '/v1/protocol.json']) {
    const first = await fetch(station.url + path)
    const headers = { 'if-none-match': String(first.headers.get('etag')) }
    for (const other of [{}, { origin: station.url }]) {
      const again = await fetch(station.url + path, { headers: { ...headers, ...other } })
      expect([again.status, await again.text()]).toEqual([304, ''])
      expect(again.headers.get('vary')).toBe('Origin')
    }
    expect((await fetch(station.url + path, { headers: { origin: 'https://evil.example' } })).status).toBe(403)
  }
})

test('[HTTP-49] every route that is served is in the document, and every path of the document is served', async () => {
  await using station = await startStation()
  const documented = await jsonOf(await fetch(`${station.url}/v1/openapi.json`))
  const paths = documented.paths as Record<string, Record<string, Json>>
  const inDocument = Object.entries(paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect(station.routes.map(({ method, path }) => `${method} ${openApiPath(path)}`).sort()).toEqual(inDocument.sort())
  for (const operation of inDocument) {
    const [method = '', path = ''] = operation.split(' ')
    const response = await station.call(path.replaceAll(/\{\w+\}/g, 'none'), { method })
    expect([operation, response.status]).not.toEqual([operation, 405])
    await response.body?.cancel()
  }
  const answered = new Set(station.answered.map(({ route, method }) => `${method} ${openApiPath(route)}`))
  for (const operation of inDocument) expect(answered).toContain(operation)
})

test('[HTTP-49] every reference in the document leads somewhere, and every component is used', () => {
  const text = JSON.stringify(openApiDocument(allRoutes))
  const { components } = JSON.parse(text) as { components: { schemas: Record<string, unknown> } }
  const referenced = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name))
  expect([...referenced].sort()).toEqual(Object.keys(components.schemas).sort())
})

test('[HTTP-49] guarded operations say that they need a token, and what they refuse with', () => {
  const { paths } = JSON.parse(JSON.stringify(openApiDocument(allRoutes))) as {
    paths: Record<string, Record<string, { security?: unknown; responses: Record<string, { description: string }> }>>
  }
  for (const route of allRoutes) {
    const operation = paths[openApiPath(route.path)]?.[route.method.toLowerCase()]
    expect([route.path, operation?.security !== undefined]).toEqual([route.path, route.access !== 'open'])
    if (route.access !== 'open') expect(Object.keys(operation?.responses ?? {})).toContain('401')
  }
  const said = JSON.stringify(paths)
  for (const kind of errorKinds) expect(said).toContain(kind)
})
