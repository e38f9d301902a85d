// Endpoints that want another request: what a server refuses of one before it answers, by its settings `refuses`, `key-header`
// and `context`.
import type { IncomingHttpHeaders } from 'node:http'
import { type Refusal, refusal } from './faults.ts'
import { type ChatRequest, tokenCap } from './request.ts'
import type { Settings } from './settings.ts'

/** Undefined: the request is as the endpoint wants it. `promptTokens`: of all messages. */
export function refusalOfRequest(
  chat: ChatRequest,
  headers: IncomingHttpHeaders,
  promptTokens: number,
  { refuses = [], keyHeader, contextTokens }: Settings,
): Refusal | undefined {
  if (keyHeader !== undefined && headers[keyHeader] === undefined)
    return refusal(401, 'invalid_request_error', 'invalid_api_key', `Access denied: ${keyHeader} is missing.`)
  const refused = refuses.find((name) => chat[name] !== undefined)
  if (refused !== undefined) return unsupported(refused)
  const asked = promptTokens + (tokenCap(chat) ?? 0)
  if (contextTokens === undefined || asked <= contextTokens) return undefined
  const message = `This model's maximum context length is ${contextTokens} tokens. However, you requested ${asked} tokens (${promptTokens} in the messages).`
  return refusal(400, 'invalid_request_error', 'context_length_exceeded', message)
}

function unsupported(param: string): Refusal {
  const message = `Unsupported parameter: '${param}' is not supported with this model.`
  const { status, error } = refusal(400, 'invalid_request_error', 'unsupported_parameter', message)
  return { status, error: { ...error, param } }
}
