// The part of a chat-completions request that an answer depends on. Whatever else a caller sends is let through, as the
// real API's servers do, so that a gateway may add fields without this server knowing them.
import * as z from 'zod'

const message = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))]).nullish(),
})

export const chatRequest = z.looseObject({
  model: z.string().min(1).max(128),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  seed: z.int().nullish(),
})

export type ChatRequest = Readonly<z.input<typeof chatRequest>>
export type ChatMessage = ChatRequest['messages'][number]

export function messageText(message: ChatMessage): string {
  const { content } = message
  if (typeof content === 'string') return content
  return (content ?? []).map((part) => part.text ?? '').join('')
}

/** The text of the last user message; empty when there is none. */
export function lastUserText(request: ChatRequest): string {
  const last = request.messages.findLast((message) => message.role === 'user')
  return last === undefined ? '' : messageText(last)
}

/** The beginning of the answer that the request already has: what the assistant said after the last user message. */
export function startedText(request: ChatRequest): string {
  const asked = request.messages.findLastIndex((message) => message.role === 'user')
  const after = request.messages.slice(asked + 1).filter((message) => message.role === 'assistant')
  return after.map(messageText).join('')
}

/** How many tokens the answer may have; undefined: as many as it likes. */
export function tokenCap(request: ChatRequest): number | undefined {
  return request.max_completion_tokens ?? request.max_tokens ?? undefined
}
