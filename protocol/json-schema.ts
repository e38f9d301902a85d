import { z } from 'zod'
import { down } from './down.ts'
import { up } from './up.ts'
import { protocolVersion } from './version.ts'

/** The wire as JSON Schema (2020-12), for clients in other languages: `$defs` has `up` and `down`. */
export function wireJsonSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: `${protocolVersion}: every frame of the wire`,
    // `down` is open: a client must expect fields it does not know.
    $defs: { up: schemaOf(up), down: schemaOf(down) },
  }
}

function schemaOf(schema: z.ZodType): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input' })
  return rest
}
