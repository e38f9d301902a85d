import { z } from 'zod'
import { type ErrorKind, errorKinds } from '../../protocol/error.ts'
import { statusOfKind } from './refusals.ts'
import type { HeaderName, Route, RouteAnswer } from './route.ts'
import { components } from './schemas.ts'

/** The OpenAPI 3.1 document of these routes, from the same schemas that check what comes. */
export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const route of routes) {
    const path = openApiPath(route.path)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Sluice',
      version: '1',
      description:
        'The chat API for clients without sockets. Bodies and events are the frames of the socket protocol; `ref` is the ' +
        "request's X-Request-Id. A refusal is `{error}`, with the status of its kind.",
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  }
}

export function openApiPath(path: string): string {
  return path.replaceAll(/:(\w+)/g, '{$1}')
}

function operationOf({ path, access, document }: Route): object {
  const { id, summary, query, headers, body, answers, refusals = [] } = document
  const always: readonly ErrorKind[] =
    access === 'open'
      ? ['rate-limited']
      : ['invalid', 'unauthenticated', 'forbidden', 'rate-limited', 'unavailable', 'internal']
  return {
    operationId: id,
    summary,
    ...(access === 'open' ? {} : { security: [{ token: [] }] }),
    parameters: [...pathParameters(path), ...queryParameters(query), ...(headers ?? []).map(headerParameter)],
    ...(body === undefined
      ? {}
      : {
          requestBody: { required: body.isOptional !== true, content: contentOf({ 'application/json': body.schema }) },
        }),
    responses: { ...responsesOf(answers), ...refusalsOf([...always, ...refusals]) },
  }
}

function pathParameters(path: string): object[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' },
  }))
}

function queryParameters(query: z.ZodObject | undefined): object[] {
  if (query === undefined) return []
  return Object.entries(query.shape).map(([name, field]) => {
    const { $schema: _, description, ...schema } = z.toJSONSchema(field, { io: 'output' })
    const isRequired = !query.safeParse({}).success && query.shape[name]?.safeParse(undefined).success === false
    return { name, in: 'query', required: isRequired, ...(description ? { description } : {}), schema }
  })
}

const headerDescriptions: Readonly<Record<HeaderName, string>> = {
  'idempotency-key': 'the same key is the same session or message, however often it is sent; [A-Za-z0-9_-]{1,64}',
  'last-event-id': 'the id of the last event that arrived',
  prefer: 'respond-async: answer when the message is accepted',
  accept: 'text/event-stream: answer with events',
}

function headerParameter(name: HeaderName): object {
  return { name, in: 'header', required: false, description: headerDescriptions[name], schema: { type: 'string' } }
}

function responsesOf(answers: readonly RouteAnswer[]): Record<string, object> {
  return Object.fromEntries(
    answers.map(({ status, description, content }) => [
      String(status),
      content === undefined ? { description } : { description, content: contentOf(content) },
    ]),
  )
}

/** Kinds that share a status share a response. */
function refusalsOf(kinds: readonly ErrorKind[]): Record<string, object> {
  const responses: Record<string, object> = {}
  const wanted = errorKinds.filter((kind) => kinds.includes(kind))
  for (const status of new Set(wanted.map((kind) => statusOfKind[kind]))) {
    const description = wanted.filter((kind) => statusOfKind[kind] === status).join(', ')
    responses[status] = { description, content: { 'application/json': { schema: reference('Refused') } } }
  }
  return responses
}

function contentOf(content: Readonly<Record<string, z.ZodType>>): object {
  const entries = Object.entries(content).map(([type, schema]) => [type, { schema: schemaOf(schema) }] as const)
  return Object.fromEntries(entries)
}

function schemaOf(schema: z.ZodType): object {
  const name = Object.entries(components).find(([, component]) => component === schema)?.[0]
  return name === undefined ? { type: 'object' } : reference(name)
}

function reference(name: string): object {
  return { $ref: `#/components/schemas/${name}` }
}

function componentSchemas(): object {
  const registry = z.registry<{ id: string }>()
  for (const [name, schema] of Object.entries(components)) registry.add(schema, { id: name })
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (name) => `#/components/schemas/${name}` })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _s, $id: _i, ...schema }]) => [name, schema]),
  )
}
