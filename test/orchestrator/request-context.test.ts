/** A model that is smaller than what is asked of it, or takes no system prompt, is asked for less. */
import { describe, expect, it } from 'vitest'
import {
  ask,
  openai,
  providerAt,
  question,
  type Refusal,
  type Seen,
  startProvider,
  stopped,
} from './provider-server.ts'

describe('a model that is smaller than what is asked of it', () => {
  const long = 'word '.repeat(400)
  const conversation = {
    ...question,
    maxOutputTokens: 4_096,
    messages: [
      { role: 'system', content: 'be kind' },
      ...Array.from({ length: 20 }, (_, index) => [
        { role: 'user', content: `question ${index} ${long}` } as const,
        { role: 'assistant', content: `answer ${index} ${long}` } as const,
      ]).flat(),
      { role: 'user', content: 'and now?' },
    ],
  } satisfies typeof question

  /** Counts as a tokenizer of English does, a token for each word. */
  const tokensOf = ({ body }: Seen) =>
    body.messages.reduce((sum: number, { content }: { content: string }) => sum + content.split(' ').length + 4, 3)

  const contexts: readonly (readonly [string, (context: number, prompt: number, answer: number) => Refusal])[] = [
    [
      'vLLM',
      (context, prompt, answer) =>
        openai(
          `This model's maximum context length is ${context} tokens. However, you requested ${prompt + answer} tokens (${prompt} in the messages, ${answer} in the completion).`,
        ),
    ],
    [
      'vLLM since 0.10',
      (context, prompt, answer) =>
        openai(
          `'max_tokens' or 'max_completion_tokens' is too large: ${answer}. This model's maximum context length is ${context} tokens and your request has ${prompt} input tokens.`,
        ),
    ],
    [
      'llama.cpp',
      (context, prompt) => ({
        status: 400,
        body: {
          error: {
            code: 400,
            message: 'the request exceeds the available context size, try increasing it',
            type: 'exceed_context_size_error',
            n_prompt_tokens: prompt,
            n_ctx: context,
          },
        },
      }),
    ],
    [
      'text-generation-inference',
      (context, prompt, answer) => ({
        status: 422,
        body: {
          error: `Input validation error: \`inputs\` tokens + \`max_new_tokens\` must be <= ${context}. Given: ${prompt} \`inputs\` tokens and ${answer} \`max_new_tokens\``,
        },
      }),
    ],
    [
      'Anthropic',
      (context, prompt, answer) =>
        openai(
          `input length and \`max_tokens\` exceed context limit: ${prompt} + ${answer} > ${context}, decrease input length or \`max_tokens\``,
        ),
    ],
    [
      'Gemini',
      (context, prompt) =>
        openai(`The input token count (${prompt}) exceeds the maximum number of tokens allowed (${context}).`),
    ],
    [
      'LM Studio',
      (context, prompt) =>
        openai(
          `Trying to keep the first ${prompt} tokens when context the overflows. However, the model is loaded with context length of only ${context} tokens`,
        ),
    ],
    [
      'Mistral',
      (context, prompt) =>
        openai(
          `Prompt contains ${prompt} tokens and 0 draft tokens, too large for model with ${context} maximum context length`,
        ),
    ],
  ]

  it.each(contexts)('[PROVIDER-343] %s says its context: history and answer are cut to it', async (_, refuse) => {
    await using server = await startProvider((seen) => {
      const [prompt, answer] = [tokensOf(seen), seen.body.max_tokens]
      return prompt + answer > 4_096 ? refuse(4_096, prompt, answer) : undefined
    })
    const { provider, logs } = providerAt(server)
    expect(await ask(provider, conversation)).toEqual(stopped)
    const sent = server.seen.at(-1)?.body
    expect(sent?.messages[0]).toEqual({ role: 'system', content: 'be kind' })
    expect(sent?.messages.at(-1)).toEqual({ role: 'user', content: 'and now?' })
    expect(sent?.messages.at(-2)?.content).toContain('answer 19')
    expect(sent?.messages[1]?.role).toBe('user')
    expect(logs).toMatchObject([{ target: 'a', contextTokens: 4_096 }])
    // What was learned counts for the next call.
    const before = server.seen.length
    expect(await ask(provider)).toEqual(stopped)
    expect(server.seen).toHaveLength(before + 1)
    provider.close()
  })

  it('[PROVIDER-343] "hi" is answered by a model of 4,096 tokens that is asked for 4,096', async () => {
    await using server = await startProvider((seen) =>
      tokensOf(seen) + seen.body.max_tokens > 4_096
        ? openai(`This model's maximum context length is 4096 tokens. However, you requested 4116 tokens.`)
        : undefined,
    )
    const { provider } = providerAt(server)
    expect(await ask(provider, { ...question, maxOutputTokens: 4_096 })).toEqual(stopped)
    expect(server.seen).toHaveLength(2)
    provider.close()
  })

  it.each([
    [
      'OpenAI',
      'max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided 100000.',
      16_384,
    ],
    [
      'Groq',
      '`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model',
      8_192,
    ],
    ['DeepSeek', 'Invalid max_tokens value, the valid range of max_tokens is [1, 8192]', 8_192],
  ])('[PROVIDER-343] %s says its longest answer, which is asked for instead', async (_, message, most) => {
    await using server = await startProvider(({ body }) =>
      body.max_tokens > most ? openai(message, 'max_tokens', 'invalid_value') : undefined,
    )
    const { provider, logs } = providerAt(server)
    expect(await ask(provider, { ...question, maxOutputTokens: 100_000 })).toEqual(stopped)
    expect(server.seen.map(({ body }) => body.max_tokens)).toEqual([100_000, most])
    expect(logs).toMatchObject([{ answerTokens: most }])
    provider.close()
  })

  it('[PROVIDER-344] a configured context cuts the history before the first request, and the answer to what is left', async () => {
    await using server = await startProvider(() => undefined)
    const { provider } = providerAt(server, { contextTokens: 4_096 })
    await ask(provider, conversation)
    const [seen] = server.seen
    if (seen === undefined) throw new Error('it was not asked')
    expect(tokensOf(seen) + seen.body.max_tokens).toBeLessThanOrEqual(4_096)
    expect(seen.body.messages.length).toBe(4)
    expect(seen.body.max_tokens).toBeGreaterThan(1_500)
    provider.close()
  })

  it('[PROVIDER-344] a question that no history is left out for goes to another target, unsent', async () => {
    await using server = await startProvider(() => undefined)
    const { provider } = providerAt(server, { contextTokens: 256 })
    const request = { ...question, messages: [{ role: 'user', content: long } as const] }
    expect(await ask(provider, request)).toMatchObject({
      refusal: { kind: 'too-large' },
      cure: 'other-target',
      isIllness: false,
    })
    expect(server.seen).toEqual([])
    provider.close()
  })
})

describe('a model without a system prompt', () => {
  it.each([
    [
      'OpenAI o1',
      openai(
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        'messages[0].role',
        'unsupported_value',
      ),
    ],
    ['Gemma on vLLM', openai('System role not supported')],
    ['Gemma on Gemini', openai('Developer instruction is not enabled for models/gemma-3-27b-it')],
  ])('[PROVIDER-345] %s: it stands before the first question', async (_, refusal) => {
    await using server = await startProvider(({ body }) => (body.messages[0]?.role === 'system' ? refusal : undefined))
    const { provider, logs } = providerAt(server)
    expect(await ask(provider)).toEqual(stopped)
    expect(server.seen.at(-1)?.body.messages).toEqual([{ role: 'user', content: 'be kind\n\nhi' }])
    expect(await ask(provider)).toEqual(stopped)
    expect(server.seen).toHaveLength(3)
    expect(logs).toHaveLength(1)
    provider.close()
  })
})
