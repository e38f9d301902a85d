/** Bodies of HTTP requests, as each route reads them, in any parts. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { z } from 'zod'
import { readBody } from '../../../gateway/http/request-parts.ts'
import { newFeedback, newMessage, newSession, sessionChange } from '../../../gateway/http/schemas.ts'
import { jsonFor } from '../grammar/json.ts'
import { byteParts, bytesOf, type Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage, kindOf } from './promises.ts'

const schemas: readonly z.ZodType[] = [newSession, sessionChange, newMessage, newFeedback]

function requestOf(body: Iterable<Buffer>): Request {
  const parts = body[Symbol.iterator]()
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = parts.next()
      if (next.done) controller.close()
      else if (next.value.length > 0) controller.enqueue(next.value)
      else controller.enqueue(Buffer.of(0x20))
    },
  })
  const headers = { 'content-type': 'application/json' }
  // `duplex` is needed for a stream, and is not in the type.
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', body: stream, headers, duplex: 'half' }
  return new Request('http://127.0.0.1/v1/sessions', init)
}

async function run({ text, cuts }: Input): Promise<string> {
  const bytes = bytesOf(text)
  const kinds: string[] = []
  for (const schema of schemas) {
    const whole = await readBody(requestOf([bytes]), schema)
    if (whole.kind === 'refused') assertMessage(whole.refusal.message)
    else assert.ok(schema.safeParse(whole.value).success, 'what was read does not fit its own schema')
    kinds.push(whole.kind === 'ok' ? 'ok' : kindOf(whole.refusal.message))
  }
  const schema = schemas[text.length % schemas.length]
  if (schema !== undefined && cuts.length > 0) {
    const inParts = await readBody(requestOf(byteParts(bytes, cuts)), schema)
    assert.deepEqual(inParts, await readBody(requestOf([bytes]), schema), 'in parts it reads otherwise than whole')
  }
  return kinds.join(' ')
}

export const httpBodies: Target = {
  name: 'http-bodies',
  what: 'bodies of HTTP requests',
  grammar: fc.oneof(...schemas.map(jsonFor)),
  unitsMax: 1024 * 1024,
  // Four routes read it, and one of them up to twice more.
  bound: { cpuMs: 6 * 50, heapBytes: 128 * 1024 * 1024 },
  run,
}
