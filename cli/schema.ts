import { join } from 'node:path'
import { writeLimits, writeSchemas } from '../gateway/http/write-schemas.ts'

/** Writes the generated documents to docs/schema and docs/LIMITS.md; a test fails while they differ from the code. */
export async function run(): Promise<number> {
  const docs = join(import.meta.dirname, '..', 'docs')
  await writeSchemas(join(docs, 'schema'))
  await writeLimits(join(docs, 'LIMITS.md'))
  return 0
}
