/**
 * What the model is asked: the system prompt, as much of the history as fits a limit, and the message.
 *
 * The history is read backwards in pages, whole turns, the latest first, until the limit, so a long conversation costs what
 * is used of it. A turn that was replaced is left out with its message, as is one whose answer has no visible text; a cancelled or
 * broken answer stands as far as it came. Half a character, which some clients send, becomes U+FFFD: providers refuse it.
 */
import { type Refusal, refusal } from '../protocol/error.ts'
import { historyPageRecords, historyPagesMax, unavailableRetryMs } from './limits.ts'
import type { HistoryEntry, ProviderMessage, TurnLog } from './ports.ts'
import { boundMessage, boundPrompt } from './token-bound.ts'
import { estimateTokens, tokensOf, tokensPerMessage } from './token-estimate.ts'

export interface PromptRequest {
  readonly session: string
  readonly system: string
  readonly content: string
  /** The message's own record: only what is before it counts. Absent: it has none yet. */
  readonly beforeSeq?: number
  readonly replaces?: string
  /** For all messages together, the system prompt's and the question's included. */
  readonly limitTokens: number
  /** The same for the bound of their tokens; the question is never left out for it. Default: no limit. */
  readonly boundTokens?: number
}

export type Prompt =
  | { readonly kind: 'ok'; readonly messages: readonly ProviderMessage[]; readonly tokens: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export async function buildPrompt(log: Pick<TurnLog, 'page'>, request: PromptRequest): Promise<Prompt> {
  const instructions = request.system.toWellFormed()
  const content = request.content.toWellFormed()
  const ownTokens = costOf(instructions) + costOf(content)
  if (ownTokens > request.limitTokens) return { kind: 'refused', refusal: tooLong(request.limitTokens) }
  const { boundTokens = Number.POSITIVE_INFINITY } = request
  const left = { tokens: request.limitTokens - ownTokens, bound: boundTokens }
  if (Number.isFinite(left.bound)) left.bound -= boundPrompt([{ content: instructions }, { content }])
  const history = await readHistory(log, request, left)
  if (history === undefined) return { kind: 'refused', refusal: refusal('not-found', 'the session is gone') }
  const system: ProviderMessage = { role: 'system', content: instructions }
  const question: ProviderMessage = { role: 'user', content }
  return {
    kind: 'ok',
    messages: [system, ...history.messages, question],
    tokens: ownTokens + history.tokens,
  }
}

/**
 * Asks for the rest of an answer whose beginning is there: as the assistant's own last message, which a model goes on
 * from. A request to go on in words would be part of what it answers.
 */
export function continued(prompt: Prompt, kept: Buffer): Prompt {
  if (prompt.kind === 'refused') return prompt
  const beginning: ProviderMessage = { role: 'assistant', content: kept.toString() }
  return { kind: 'ok', messages: [...prompt.messages, beginning], tokens: prompt.tokens + costOf(beginning.content) }
}

export function costOf(content: string): number {
  return estimateTokens(content) + tokensPerMessage
}

export function tooLong(limitTokens: number): Refusal {
  return refusal(
    'too-large',
    `the message alone is longer than the ${limitTokens} tokens a prompt may have; shorten it`,
  )
}

/** For a store that did not answer. */
export function historyUnavailable(): Refusal {
  return refusal('unavailable', 'the conversation could not be read; send the message again', unavailableRetryMs)
}

interface History {
  readonly messages: readonly ProviderMessage[]
  readonly tokens: number
}

/** Undefined: the session is gone. */
async function readHistory(
  log: Pick<TurnLog, 'page'>,
  request: PromptRequest,
  left: Room,
): Promise<History | undefined> {
  const walk = startWalk(request.replaces, left)
  let before = request.beforeSeq
  for (let page = 0; page < historyPagesMax && before !== 1; page++) {
    const place = { session: request.session, limit: historyPageRecords }
    const reply = await log.page(before === undefined ? place : { ...place, before })
    if (reply.kind === 'gone') return undefined
    for (const entry of reply.entries.toReversed()) if (!walk.take(entry)) return walk.history()
    const first = reply.entries[0]
    if (!reply.hasMore || first === undefined) break
    before = first.record.seq
  }
  return walk.history()
}

/** What the history may take. `bound`: Infinity where it does not matter. */
interface Room {
  readonly tokens: number
  readonly bound: number
}

interface Walk {
  /** False: the limit is reached. */
  take(entry: HistoryEntry): boolean
  history(): History
}

function startWalk(replaces: string | undefined, room: Room): Walk {
  const backwards: ProviderMessage[] = []
  const answers = new Map<string, Buffer>()
  const replaced = new Set(replaces === undefined ? [] : [replaces])
  let tokens = 0
  let bound = 0
  return {
    take({ record, texts }) {
      if (record.type === 'turn.completed' || record.type === 'turn.cancelled' || record.type === 'turn.failed') {
        const text = texts?.[0]
        // The operator's words, in place of an answer that no model gave.
        if (record.finishReason === 'offline') return true
        if (text !== undefined && text.length > 0) answers.set(record.turn, text)
        return true
      }
      if (record.type !== 'message.added') return true
      if (record.replaces !== undefined) replaced.add(record.replaces)
      const answer = answers.get(record.turn)
      answers.delete(record.turn)
      if (answer === undefined || replaced.has(record.turn)) return true
      // Bounds the cost before it is decoded: a text has at least a quarter of its bytes in tokens.
      if (tokens + tokensOf(answer.length, answer.length) > room.tokens) return false
      const text = answer.toString()
      if (text.trim() === '') return true
      const asked = record.message.content.toWellFormed()
      const cost = costOf(asked) + costOf(text)
      if (tokens + cost > room.tokens) return false
      if (Number.isFinite(room.bound)) bound += boundMessage(asked) + boundMessage(text)
      if (bound > room.bound) return false
      tokens += cost
      backwards.push({ role: 'assistant', content: text }, { role: 'user', content: asked })
      return true
    },
    history: () => ({ messages: backwards.toReversed(), tokens }),
  }
}
