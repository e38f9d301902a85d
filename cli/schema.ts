import { join } from 'node:path'
import { writeSchemas } from '../gateway/http/write-schemas.ts'

/** Writes the generated documents to docs/schema; a test fails while they differ from the code. */
export async function run(): Promise<number> {
  await writeSchemas(join(import.meta.dirname, '..', 'docs', 'schema'))
  return 0
}
