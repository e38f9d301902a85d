import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { historyPageRecords, historyPagesMax } from '../../orchestrator/limits.ts'
import { buildPrompt, costOf, type PromptRequest } from '../../orchestrator/prompt.ts'
import { estimateTokens } from '../../orchestrator/token-estimate.ts'
import { refusal } from '../../protocol/error.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { PageRequest, SessionLog } from '../../sessions/session-log.ts'
import { owner } from './bench.ts'

const session = 'session'

interface Told {
  readonly question: string
  readonly answer: string
  readonly end?: 'turn.completed' | 'turn.cancelled' | 'turn.failed'
  readonly finishReason?: string
  readonly replaces?: number
}

const usage = { inputTokens: 0, outputTokens: 0, source: 'unknown' } as const

/** A session with these turns in it; turn `index` is called `turn-<index>`. */
async function conversation(turns: readonly Told[]): Promise<SessionLog> {
  const log = createMemoryLog()
  await log.create({ session, owner, attributes: {}, timeMs: 1 })
  for (const [index, told] of turns.entries()) await tell(log, index, told)
  return log
}

async function tell(log: SessionLog, index: number, told: Told) {
  const { question, answer, end = 'turn.completed', finishReason = 'stop', replaces } = told
  const turn = `turn-${index}`
  const token = `token-${index}`
  const message = { messageId: `message-${index}`, content: question }
  const added = { type: 'message.added', timeMs: 1, turn, message } as const
  const record = replaces === undefined ? added : { ...added, replaces: `turn-${replaces}` }
  const claim = { session, messageId: message.messageId, hash: 'h', turn, token, leaseMs: 5_000, record }
  expect(await log.accept(claim)).toMatchObject({ kind: 'yours' })
  const open = { type: 'turn.started', timeMs: 1, turn, attempt: 1, model: 'm' } as const
  const text = Buffer.from(answer)
  const fence = { token, turn, attempt: 1 }
  await log.append({ session, fence, part: 0, at: 0, text, open, leaseMs: 0, maxBytes: 1 << 20 })
  const sums = { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') }
  const fields = { timeMs: 1, turn, attempt: 1, finishReason, usage, ...sums }
  const sha1 = createHash('sha1').update(text).digest('hex')
  const error = refusal('provider', 'broke')
  const terminal = end === 'turn.failed' ? { type: end, ...fields, error } : { type: end, ...fields }
  const ended = await log.end({
    session,
    token,
    turn,
    attempt: 1,
    record: terminal,
    parts: [{ bytes: text.length, sha1 }],
  })
  expect(ended.kind).toBe('ok')
}

async function prompted(log: Pick<SessionLog, 'page'>, more: Partial<PromptRequest> = {}) {
  const base = { session, system: 'Be kind.', content: 'now', beforeSeq: 1_000_000, limitTokens: 10_000 }
  const prompt = await buildPrompt(log, { ...base, ...more })
  return prompt.kind === 'ok' ? prompt.messages.map(({ role, content }) => `${role}: ${content}`) : prompt.refusal
}

describe('the prompt', () => {
  it('[PROMPT-1] is the system prompt, the history in order, then the message', async () => {
    const log = await conversation([
      { question: 'one', answer: 'first' },
      { question: 'two', answer: 'second' },
    ])
    expect(await prompted(log)).toEqual([
      'system: Be kind.',
      'user: one',
      'assistant: first',
      'user: two',
      'assistant: second',
      'user: now',
    ])
  })

  it('[PROMPT-2] leaves out a replaced turn with its message, also when it was replaced again', async () => {
    const log = await conversation([
      { question: 'zero', answer: 'kept' },
      { question: 'one', answer: 'first' },
      { question: 'one!', answer: 'second', replaces: 1 },
    ])
    expect(await prompted(log)).toEqual([
      'system: Be kind.',
      'user: zero',
      'assistant: kept',
      'user: one!',
      'assistant: second',
      'user: now',
    ])
    expect(await prompted(log, { replaces: 'turn-2' })).toEqual([
      'system: Be kind.',
      'user: zero',
      'assistant: kept',
      'user: now',
    ])
  })

  it('[PROMPT-3] keeps what a cancelled or failed answer said, and leaves out turns without text', async () => {
    const log = await conversation([
      { question: 'one', answer: 'half', end: 'turn.cancelled' },
      { question: 'two', answer: '', end: 'turn.failed' },
      { question: 'three', answer: 'some', end: 'turn.failed' },
      { question: 'four', answer: '', end: 'turn.cancelled' },
    ])
    expect(await prompted(log)).toEqual([
      'system: Be kind.',
      'user: one',
      'assistant: half',
      'user: three',
      'assistant: some',
      'user: now',
    ])
  })

  it('[TURN-361] leaves out answers of blanks alone and offline texts, and asks with whole characters', async () => {
    const log = await conversation([
      { question: 'one', answer: ' \n\t\u00a0\u2028' },
      { question: 'two', answer: 'second' },
      { question: 'three', answer: 'Nobody is here.', finishReason: 'offline' },
      { question: 'four', answer: '\n', end: 'turn.cancelled' },
      { question: 'half \ud83d', answer: 'fifth' },
    ])
    expect(await prompted(log, { system: 'Be \udc00', content: 'no\ud800w' })).toEqual([
      'system: Be \ufffd',
      'user: two',
      'assistant: second',
      'user: half \ufffd',
      'assistant: fifth',
      'user: no\ufffdw',
    ])
  })

  it('[PROMPT-4] takes whole turns, the latest first, up to the limit of tokens', async () => {
    const long = 'word '.repeat(200)
    const turns = Array.from({ length: 10 }, (_, index) => ({
      question: `question ${index}`,
      answer: `${index} ${long}`,
    }))
    const log = await conversation(turns)
    const each = costOf('question 7') + costOf(`7 ${long}`)
    const limitTokens = costOf('Be kind.') + costOf('now') + 3 * each
    const messages = await prompted(log, { limitTokens })
    expect(messages).toHaveLength(8)
    expect(String(messages)).toContain('question 7')
    expect(await prompted(log, { limitTokens: limitTokens - 1 })).toHaveLength(6)
  })

  it('[PROMPT-5] reads a long history page by page, no further than it needs, and no more than its bound', async () => {
    const turns = Array.from({ length: 40 }, (_, index) => ({ question: `q${index}`, answer: `a${index}` }))
    const log = await conversation(turns)
    const pages: PageRequest[] = []
    const page = (request: PageRequest) => {
      pages.push(request)
      return log.page(request)
    }
    const counting = { page }
    expect(await prompted(counting)).toHaveLength(82)
    expect(pages.length).toBe(Math.ceil((40 * 3) / historyPageRecords))
    pages.length = 0
    await prompted(counting, { limitTokens: 40 })
    expect(pages.length).toBe(1)
    expect(historyPagesMax).toBeLessThanOrEqual(20)
  })

  it('[PROMPT-6] counts only what was before the message', async () => {
    const log = await conversation([
      { question: 'one', answer: 'first' },
      { question: 'two', answer: 'second' },
    ])
    expect(await prompted(log, { beforeSeq: 4 })).toEqual([
      'system: Be kind.',
      'user: one',
      'assistant: first',
      'user: now',
    ])
  })

  it('[PROMPT-7] is refused when the message alone is over the limit, and when the session is gone', async () => {
    const log = await conversation([])
    expect(await prompted(log, { content: 'word '.repeat(10_000) })).toMatchObject({ kind: 'too-large' })
    expect(await prompted(log, { session: 'nowhere' })).toMatchObject({ kind: 'not-found' })
  })
})

describe('the estimate of tokens', () => {
  it('[PROMPT-8] is near what tokenizers say for prose of several scripts, and takes no time for any text', () => {
    // Counted with o200k_base: 10, 10 and 9 tokens.
    expect(estimateTokens('The quick brown fox jumps over the lazy dog.')).toBeGreaterThanOrEqual(10)
    expect(estimateTokens('Съешь же ещё этих мягких французских булок')).toBeGreaterThanOrEqual(10)
    expect(estimateTokens('我能吞下玻璃而不伤身体')).toBeGreaterThanOrEqual(9)
    expect(estimateTokens('')).toBe(0)
    expect(estimateTokens('x'.repeat(10_000_000))).toBe(2_500_000)
  })
})
