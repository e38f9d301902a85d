// How providers of the field write the same answer: the events of a stream, refusals, and errors in the middle, each by its
// published wire. Without a family it is OpenAI's own, as in `wire.ts`.
import type { Answer, Usage } from './answer.ts'
import type { Fault } from './settings.ts'
import { DONE_EVENT, type Encoder, type Envelope } from './wire.ts'

export const FAMILIES = [
  'openai',
  'azure',
  'mistral',
  'deepseek',
  'gemini',
  'groq',
  'openrouter',
  'perplexity',
  'vllm',
  'ollama',
  'llama-cpp',
] as const

export type Family = (typeof FAMILIES)[number]

/** A refusal as a family writes it. */
export interface FamilyRefusal {
  readonly status: number
  readonly body: unknown
}

interface Wire {
  /** What comes before the first chunk. */
  readonly before?: string
  /** The fields of a chunk's choice that say this piece of thinking; absent: it thinks unseen. */
  thought?(piece: string): object
  content(piece: string, soFar: string): object
  /** Beside the choices in each chunk. */
  readonly more?: object
  finish(reason: string): object
  /** Where the usage is said: in the chunk that ends the answer, in one of its own behind it, or in every one. */
  readonly usageIn: 'end' | 'own' | 'every'
  usage?(usage: Usage, thoughtCount: number): object
  readonly done: string
  readonly lineEnd?: '\r\n'
  /** An error in the middle of the stream, as an event's data. */
  readonly error: unknown
  readonly refusals: Partial<Record<Fault, FamilyRefusal>>
}

const delta = (fields: object) => ({ index: 0, delta: fields, finish_reason: null })
const text = (content: string) => delta({ content })
const ending = (reason: string) => ({ index: 0, delta: {}, finish_reason: reason })
const plainError = (message: string, type: string, code: unknown) => ({ error: { message, type, param: null, code } })
const none = (status: number, body: unknown): FamilyRefusal => ({ status, body })

/** As OpenAI says it, and Azure. */
const tooLong = none(
  400,
  plainError("This model's maximum context length is 8192 tokens.", 'invalid_request_error', 'context_length_exceeded'),
)

const wires: Readonly<Record<Family, Wire>> = {
  // gpt-5: thinks unseen, pads its chunks, counts its thinking.
  openai: {
    content: text,
    more: { service_tier: 'default', obfuscation: 'aZ4kQ' },
    finish: ending,
    usageIn: 'own',
    usage: (usage, thoughtCount) => ({ ...usage, completion_tokens_details: { reasoning_tokens: thoughtCount } }),
    done: DONE_EVENT,
    error: plainError('The server had an error while processing your request.', 'server_error', null),
    refusals: {
      'empty-account': none(
        429,
        plainError('You exceeded your current quota.', 'insufficient_quota', 'insufficient_quota'),
      ),
      'too-long': tooLong,
      blocked: none(
        400,
        plainError('Invalid prompt: it was flagged.', 'invalid_request_error', 'content_policy_violation'),
      ),
    },
  },
  azure: {
    before: `data: ${JSON.stringify({ choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] })}\n\n`,
    content: (content) => ({
      ...text(content),
      content_filter_results: { hate: { filtered: false, severity: 'safe' } },
    }),
    finish: (reason) => ({ ...ending(reason), content_filter_offsets: { check_offset: 0 } }),
    usageIn: 'own',
    done: DONE_EVENT,
    error: plainError('The server had an error.', 'server_error', null),
    refusals: {
      '401': none(401, {
        error: { code: '401', message: 'Access denied due to invalid subscription key or wrong API endpoint.' },
      }),
      '404': none(404, {
        error: { code: 'DeploymentNotFound', message: 'The API deployment for this resource does not exist.' },
      }),
      '429': none(429, { error: { code: '429', message: 'Requests have exceeded the token rate limit.' } }),
      blocked: none(400, {
        error: {
          code: 'content_filter',
          status: 400,
          message: 'filtered',
          innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: {} },
        },
      }),
      'too-long': tooLong,
    },
  },
  mistral: {
    thought: (piece) => delta({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: piece }] }] }),
    content: (content) => delta({ content: [{ type: 'text', text: content }] }),
    finish: (reason) => ending(reason === 'length' ? 'model_length' : reason),
    usageIn: 'end',
    done: DONE_EVENT,
    error: {
      object: 'error',
      message: 'Service unavailable.',
      type: 'internal_server_error',
      param: null,
      code: '3000',
    },
    refusals: {
      '401': none(401, { detail: 'Unauthorized' }),
      '429': none(429, { message: 'Requests rate limit exceeded' }),
      'too-long': none(400, {
        object: 'error',
        message: 'Prompt contains 40000 tokens, too large for model with 32768 maximum context length',
        type: 'invalid_request_message_order',
        code: '3051',
      }),
    },
  },
  deepseek: {
    before: ': keep-alive\n\n: keep-alive\n\n',
    thought: (piece) => delta({ content: null, reasoning_content: piece }),
    content: (content) => delta({ content, reasoning_content: null }),
    finish: ending,
    usageIn: 'end',
    usage: (usage, thoughtCount) => ({
      ...usage,
      prompt_cache_hit_tokens: 0,
      prompt_cache_miss_tokens: usage.prompt_tokens,
      completion_tokens_details: { reasoning_tokens: thoughtCount },
    }),
    done: DONE_EVENT,
    error: { choices: [{ index: 0, delta: {}, finish_reason: 'insufficient_system_resource' }] },
    refusals: {
      '401': none(401, plainError('Authentication Fails', 'authentication_error', 'invalid_request_error')),
      'empty-account': none(402, plainError('Insufficient Balance', 'unknown_error', 'invalid_request_error')),
    },
  },
  // The compatible mode: no chunk for the role, the end beside the last text, errors in a list.
  gemini: {
    content: text,
    finish: (reason) => ({
      ...ending(reason),
      delta: { role: 'assistant', content: '', extra_content: { google: { thought_signature: 'c2ln' } } },
    }),
    usageIn: 'every',
    done: DONE_EVENT,
    error: [{ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }],
    refusals: {
      '400': none(400, [
        { error: { code: 400, message: 'Request contains an invalid argument.', status: 'INVALID_ARGUMENT' } },
      ]),
      '401': none(400, [
        {
          error: {
            code: 400,
            message: 'API key not valid.',
            status: 'INVALID_ARGUMENT',
            details: [{ reason: 'API_KEY_INVALID' }],
          },
        },
      ]),
      '403': none(403, [{ error: { code: 403, message: 'Denied.', status: 'PERMISSION_DENIED' } }]),
      '404': none(404, [{ error: { code: 404, message: 'models/x is not found.', status: 'NOT_FOUND' } }]),
      '429': none(429, [
        { error: { code: 429, message: 'You exceeded your current quota.', status: 'RESOURCE_EXHAUSTED' } },
      ]),
      '503': none(503, [{ error: { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' } }]),
    },
  },
  groq: {
    thought: (reasoning) => delta({ reasoning }),
    content: text,
    more: { x_groq: { id: 'req_1' } },
    finish: ending,
    usageIn: 'end',
    done: DONE_EVENT,
    error: { error: { message: 'Over capacity.', type: 'internal_server_error', code: 'over_capacity' } },
    refusals: {
      'too-long': none(413, {
        error: { message: 'Request too large for model.', type: 'tokens', code: 'request_too_large' },
      }),
      '404': none(404, plainError('The model does not exist.', 'invalid_request_error', 'model_not_found')),
    },
  },
  openrouter: {
    before: ': OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n',
    thought: (reasoning) =>
      delta({
        role: 'assistant',
        content: '',
        reasoning,
        reasoning_details: [{ type: 'reasoning.text', text: reasoning }],
      }),
    content: (content) => ({ ...delta({ role: 'assistant', content }), native_finish_reason: null }),
    more: { provider: 'Somebody' },
    finish: (reason) => ({ ...ending(reason), native_finish_reason: reason }),
    usageIn: 'own',
    done: DONE_EVENT,
    error: {
      error: { code: 502, message: 'Provider returned error' },
      choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', native_finish_reason: null }],
    },
    refusals: {
      '401': none(401, { error: { message: 'No auth credentials found', code: 401 } }),
      '429': none(429, { error: { message: 'Rate limited', code: 429 } }),
      'empty-account': none(402, { error: { message: 'Insufficient credits', code: 402 } }),
      blocked: none(403, {
        error: {
          code: 403,
          message: 'Input was flagged',
          metadata: { reasons: ['violence'], flagged_input: '…', provider_name: 'Somebody' },
        },
      }),
    },
  },
  // Each chunk has the whole answer so far beside its piece; no end marker; thinking in the text.
  perplexity: {
    content: (content, soFar) => ({
      index: 0,
      finish_reason: null,
      message: { role: 'assistant', content: soFar },
      delta: { role: 'assistant', content },
    }),
    more: { citations: ['https://example.com/'], search_results: [] },
    finish: ending,
    usageIn: 'every',
    done: '',
    lineEnd: '\r\n',
    error: { error: { message: 'Internal', type: 'internal_server_error', code: 500 } },
    refusals: {
      '401': none(401, '<html><head><title>401 Authorization Required</title></head></html>'),
      '429': none(429, { error: { message: 'Rate limit', type: 'too_many_requests', code: 429 } }),
    },
  },
  vllm: {
    thought: (reasoning) => delta({ reasoning, reasoning_content: reasoning }),
    content: (content) => ({ ...text(content), stop_reason: null, token_ids: null }),
    finish: (reason) => ({ ...ending(reason), stop_reason: null }),
    usageIn: 'own',
    done: DONE_EVENT,
    error: { object: 'error', message: 'EngineCore died', type: 'InternalServerError', param: null, code: 500 },
    refusals: {
      '400': none(400, { object: 'error', message: 'Bad', type: 'BadRequestError', param: null, code: 400 }),
      'too-long': none(400, {
        object: 'error',
        message: "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
        type: 'BadRequestError',
        param: null,
        code: 400,
      }),
    },
  },
  ollama: {
    thought: (reasoning) => delta({ role: 'assistant', content: '', reasoning }),
    content: (content) => delta({ role: 'assistant', content }),
    finish: (reason) => ({ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: reason }),
    usageIn: 'own',
    done: DONE_EVENT,
    error: { error: { message: 'llama runner process has terminated', type: 'api_error', param: null, code: null } },
    refusals: {
      '404': none(404, { error: { message: "model 'x' not found", type: 'api_error', param: null, code: null } }),
    },
  },
  'llama-cpp': {
    thought: (piece) => delta({ reasoning_content: piece }),
    content: text,
    more: { timings: { predicted_per_second: 30 } },
    finish: ending,
    usageIn: 'own',
    done: DONE_EVENT,
    error: { error: { code: 500, message: 'context shift is disabled', type: 'server_error' } },
    refusals: {
      '401': none(401, { error: { code: 401, message: 'Invalid API Key', type: 'authentication_error' } }),
      '503': none(503, { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }),
      'too-long': none(400, {
        error: {
          code: 400,
          message: 'the request exceeds the available context size',
          type: 'exceed_context_size_error',
          n_prompt_tokens: 9000,
          n_ctx: 4096,
        },
      }),
    },
  },
}

/** Absent: the family has no way of its own to say it. */
export function familyRefusal(family: Family | undefined, fault: Fault | undefined): FamilyRefusal | undefined {
  return family === undefined || fault === undefined ? undefined : wires[family].refusals[fault]
}

/** Where the family has no field for it, thinking stands in the text, as many open models write it. */
export function thinkingIn(family: Family): 'field' | 'text' | 'unseen' {
  if (family === 'perplexity') return 'text'
  return wires[family].thought === undefined ? 'unseen' : 'field'
}

/** Makes the events of one streamed answer as a family writes them. */
export class FamilyEncoder implements Encoder {
  readonly showsThoughts: boolean
  readonly #wire: Wire
  readonly #family: Family
  readonly #envelope: object
  readonly #includesUsage: boolean
  #soFar = ''

  constructor(family: Family, { id, createdSeconds: created, model }: Envelope, includesUsage: boolean) {
    this.#family = family
    this.showsThoughts = thinkingIn(family) === 'field'
    this.#wire = wires[family]
    this.#envelope = { id, object: 'chat.completion.chunk', created, model }
    this.#includesUsage = includesUsage
  }

  begin(): string {
    const role = this.#family === 'gemini' ? '' : this.#chunk(delta({ role: 'assistant', content: '' }))
    return (this.#wire.before ?? '') + role
  }

  thoughts(pieces: readonly string[]): string {
    if (pieces.length === 0) return ''
    const { thought } = this.#wire
    if (thought !== undefined) return pieces.map((piece) => this.#chunk(thought(piece))).join('')
    if (thinkingIn(this.#family) === 'unseen') return ''
    return ['<think>\n', ...pieces, '\n</think>\n\n'].map((piece) => this.content(piece)).join('')
  }

  content(token: string): string {
    this.#soFar += token
    return this.#chunk(this.#wire.content(token, this.#soFar), { prompt_tokens: 1, completion_tokens: 1 })
  }

  end(reason: string, answer: Answer | undefined, thoughtCount: number): string {
    const { usageIn, done, finish } = this.#wire
    const usage = answer === undefined || !this.#includesUsage ? undefined : this.#usage(answer, thoughtCount)
    const last = this.#chunk(finish(reason), usageIn === 'own' ? undefined : usage, true)
    const own = usage === undefined || usageIn !== 'own' ? '' : this.#event({ ...this.#envelope, choices: [], usage })
    return last + own + done
  }

  error(): string {
    return this.#event(this.#wire.error)
  }

  #usage({ usage }: Answer, thoughtCount: number): object {
    const { total_tokens: _total, ...counts } = usage
    return this.#wire.usage?.(usage, thoughtCount) ?? { ...counts, total_tokens: usage.total_tokens }
  }

  #chunk(choice: object, usage?: object, isLast = false): string {
    const { more, usageIn } = this.#wire
    const told = usage !== undefined && (isLast || usageIn === 'every') ? this.#toldUsage(usage) : {}
    return this.#event({ ...this.#envelope, ...more, choices: [choice], ...told })
  }

  /** Groq tells it in a field of its own. */
  #toldUsage(usage: object): object {
    return this.#family === 'groq' ? { x_groq: { id: 'req_1', usage } } : { usage }
  }

  #event(data: unknown): string {
    const line = this.#wire.lineEnd ?? '\n'
    return `data: ${JSON.stringify(data)}${line}${line}`
  }
}
