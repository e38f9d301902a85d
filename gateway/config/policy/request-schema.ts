/** How requests of a target differ from OpenAI's own, and the way to its endpoint, in `sluice.yaml`. */
import { z } from 'zod'
import { requestMembersMax, requestValueLength } from './bounds.ts'
import { named, secret, text, url } from './schema-parts.ts'

const parameterName = z
  .string()
  .regex(/^[A-Za-z]\w{0,63}$/, 'is no name of a parameter; use letters, digits and `_`, at most 64')

const headerValue = z
  .string()
  .max(requestValueLength)
  .regex(/^[\x20-\x7e]+$/, 'is no value of a header; use visible ASCII characters and blanks')

const headerName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/, 'is no name of a header; use letters, digits and `-`, at most 64')

export const request = z
  .strictObject({
    tokenLimit: z
      .enum(['auto', 'max_tokens', 'max_completion_tokens', 'none'])
      .default('auto')
      .describe(
        'The parameter that bounds an answer: max_tokens, max_completion_tokens, or none. With auto it is max_tokens until the endpoint refuses that.',
      ),
    streamOptions: z
      .boolean()
      .default(true)
      .describe(
        'Whether stream_options asks for the usage of an answer. Without it answers are booked at their bound.',
      ),
    keyHeader: headerName
      .default('Authorization')
      .describe('Header of the API key. In Authorization it is a bearer token, in any other it stands alone: api-key.'),
    headers: named(
      headerName,
      z.union([headerValue, secret]),
      requestMembersMax,
      'Further headers by name; a value that is a secret is { env: … } or { file: … }.',
    ).default({}),
    query: named(
      z.string().min(1).max(128),
      z.string().max(requestValueLength),
      requestMembersMax,
      'Parameters of the address, in quotes: api-version: "2026-01-01".',
    ).default({}),
    parameters: named(
      parameterName,
      z.json(),
      requestMembersMax,
      'Further members of the body: temperature, top_p, reasoning_effort, …',
    ).default({}),
    promptMayChange: z
      .array(parameterName)
      .max(requestMembersMax)
      .default([])
      .describe('Parameters that a version of a prompt may set, in place of those above. Default: none.'),
  })
  .describe("How requests differ from OpenAI's own.")

export const connection = z
  .strictObject({
    proxy: z
      .union([url('HTTP proxy: http://host:port, or none.'), secret])
      .optional()
      .describe(
        'HTTP proxy of this target: http://host:port, none, or with a password { env: … } or { file: … }. Default: HTTPS_PROXY, HTTP_PROXY and NO_PROXY.',
      ),
    caFile: text(
      1024,
      'PEM file, from the folder of this one: only certificates that these authorities signed are accepted.',
    ).optional(),
    certFile: text(1024, 'PEM file of the certificate that is shown to the server; goes with keyFile.').optional(),
    keyFile: text(1024, 'PEM file of its private key, without a passphrase.').optional(),
  })
  .describe('The way to the endpoint. Files are read again when they change.')
