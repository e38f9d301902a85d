import { wireJsonSchema } from '../../protocol/json-schema.ts'
import { KeptAnswer, responseOf } from './kept-answer.ts'
import { openApiDocument } from './openapi.ts'
import type { OpenRoute, Route } from './route.ts'
import { jsonDocument } from './schemas.ts'

/** What the gateway says of itself to programs: this API, and the wire of the socket. Made when first asked for. */
export function documentRoutes(others: readonly Route[]): readonly Route[] {
  const routes: Route[] = [
    documentRoute('/v1/openapi.json', 'getOpenApi', 'This document.', () => openApiDocument([...others, ...routes])),
    documentRoute('/v1/protocol.json', 'getProtocol', 'Every frame of the socket, as JSON Schema.', wireJsonSchema),
  ]
  return routes
}

function documentRoute(path: string, id: string, summary: string, make: () => object): OpenRoute {
  let kept: KeptAnswer | undefined
  const document = () => {
    const headers = { 'cache-control': 'no-cache', vary: 'Origin' }
    kept ??= new KeptAnswer(Buffer.from(encodeDocument(make())), 'application/json', headers)
    return kept
  }
  return {
    method: 'GET',
    path,
    access: 'open',
    document: {
      id,
      summary,
      answers: [{ status: 200, description: 'the document', content: { 'application/json': jsonDocument } }],
    },
    kept: document,
    handle: ({ request }) => responseOf(document().answer(request.headers.get('if-none-match') ?? undefined)),
  }
}

/** As it is committed: a change of the wire is a readable diff. */
export function encodeDocument(document: object): string {
  return `${JSON.stringify(document, null, 2)}\n`
}
