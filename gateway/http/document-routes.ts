import { wireJsonSchema } from '../../protocol/json-schema.ts'
import { openApiDocument } from './openapi.ts'
import type { Route } from './route.ts'
import { jsonDocument } from './schemas.ts'

/** What the gateway says of itself to programs: this API, and the wire of the socket. Made when first asked for. */
export function documentRoutes(others: readonly Route[]): readonly Route[] {
  const routes: Route[] = [
    documentRoute('/v1/openapi.json', 'getOpenApi', 'This document.', () => openApiDocument([...others, ...routes])),
    documentRoute('/v1/protocol.json', 'getProtocol', 'Every frame of the socket, as JSON Schema.', wireJsonSchema),
  ]
  return routes
}

function documentRoute(path: string, id: string, summary: string, make: () => object): Route {
  let body: string | undefined
  return {
    method: 'GET',
    path,
    access: 'open',
    document: {
      id,
      summary,
      answers: [{ status: 200, description: 'the document', content: { 'application/json': jsonDocument } }],
    },
    handle: () => {
      body ??= encodeDocument(make())
      return new Response(body, { headers: { 'content-type': 'application/json' } })
    },
  }
}

/** As it is committed: a change of the wire is a readable diff. */
export function encodeDocument(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`
}
