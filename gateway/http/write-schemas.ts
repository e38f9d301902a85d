import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { wireJsonSchema } from '../../protocol/json-schema.ts'
import { protocolVersion } from '../../protocol/version.ts'
import { policyJsonSchema } from '../config/policy/schema.ts'
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
