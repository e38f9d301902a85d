import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wireJsonSchema } from '../../protocol/json-schema.ts'
import { protocolVersion } from '../../protocol/version.ts'
import { policyJsonSchema } from '../config/policy/schema.ts'
import { exposureTable } from '../exposure.ts'
import { encodeDocument } from './document-routes.ts'
import { openApiDocument } from './openapi.ts'
import { allRoutes } from './routes.ts'

/** The generated documents by the names of their files. */
export function schemaFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['openapi.json', encodeDocument(openApiDocument(allRoutes))],
    ['sluice-yaml.schema.json', encodeDocument(policyJsonSchema())],
    [`${protocolVersion}.json`, encodeDocument(wireJsonSchema())],
  ])
}

/** Writes them to `dir` (`docs/schema`), so that a change of the wire is a diff. */
export async function writeSchemas(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  for (const [name, text] of schemaFiles()) await writeFile(join(dir, name), text)
}

/** The same for the table of bounds in docs/LIMITS.md. */
export async function writeLimits(file: string): Promise<void> {
  await writeFile(file, withTable(await readFile(file, 'utf8')))
}

/** The page with the table as the code has it. */
export function withTable(page: string): string {
  const [before = '', rest = ''] = page.split(tableBegins)
  const [, after = ''] = rest.split(tableEnds)
  return `${before}${tableBegins}\n${exposureTable()}\n${tableEnds}${after}`
}

const tableBegins = '<!-- exposure: written by `sluice schema` -->'
const tableEnds = '<!-- /exposure -->'
