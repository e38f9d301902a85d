/**
 * Takes identifiers out of what a provider is asked, and gives what puts them back into its answer.
 *
 * The messages of the user and the answers before are redacted; the system prompt is the operator's own text, which may
 * name a support address that the model has to say. What a session's log and tapes hold is never redacted: each prompt is
 * anew, and the same value has the same placeholder in each. Every spelling of a value is a value of its own, so that it
 * comes back as it was written.
 */
import { setImmediate } from 'node:timers/promises'
import { type Refusal, refusal } from '../../protocol/error.ts'
import type { TenantPrivacy } from '../policy.ts'
import type { ProviderMessage } from '../ports.ts'
import { createIdentifierFinder, type Found } from './find-identifiers.ts'
import { invisibleCharacters } from './fold.ts'
import type { Identifier, RedactedKind } from './identifier.ts'
import { findPartUnits } from './limits.ts'
import { keyOf, nameValues, placeholderLike } from './placeholders.ts'
import { createRestorer, identity, type Restorer } from './restore.ts'

export type Redaction =
  | {
      readonly kind: 'ok'
      readonly messages: readonly ProviderMessage[]
      /** For the one answer to these messages. */
      readonly restorer: Restorer
      /** How many identifiers were hidden in the whole prompt, its history included. */
      readonly counts: ReadonlyMap<RedactedKind, number>
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

export interface Redactor {
  /** Others have their turn in between when the prompt is long. Refused when the operator's own patterns take too long. */
  redact(session: string, messages: readonly ProviderMessage[]): Promise<Redaction>
}

/** `secret`: at least 32 random bytes, the same on all nodes; with another one placeholders change and nothing else. */
export function createRedactor(privacy: TenantPrivacy, secret: Uint8Array): Redactor {
  if (privacy.redact.length === 0 && privacy.custom.length === 0) return unredacting
  const find = createIdentifierFinder(privacy)
  return {
    async redact(session, messages) {
      const found = await findInAll(messages, find)
      return found === undefined ? { kind: 'refused', refusal: tooSlow() } : replaced(secret, session, messages, found)
    },
  }
}

const nothing: ReadonlyMap<RedactedKind, number> = new Map()

const unredacting: Redactor = {
  redact: (_session, messages) => Promise.resolve({ kind: 'ok', messages, restorer: identity, counts: nothing }),
}

/** For each message what is in it; undefined when that took too long. */
async function findInAll(
  messages: readonly ProviderMessage[],
  find: (text: string) => Promise<Found>,
): Promise<readonly (readonly Identifier[])[] | undefined> {
  const all: (readonly Identifier[])[] = []
  let units = 0
  for (const { role, content } of messages) {
    units += content.length
    if (units > findPartUnits) {
      units = content.length
      await setImmediate()
    }
    const reply: Found = role === 'system' ? { kind: 'ok', found: [] } : await find(content)
    if (reply.kind === 'too-slow') return undefined
    all.push(reply.found)
  }
  return all
}

async function replaced(
  secret: Uint8Array,
  session: string,
  messages: readonly ProviderMessage[],
  found: readonly (readonly Identifier[])[],
): Promise<Redaction> {
  const values = messages.flatMap(({ content }, index) => (found[index] ?? []).map((one) => valueIn(content, one)))
  if (values.length === 0) return { kind: 'ok', messages, restorer: identity, counts: nothing }
  const names = await nameValues(secret, session, values, saidAlready(messages))
  const redacted = messages.map((message, index) => {
    const inIt = found[index] ?? []
    return inIt.length === 0 ? message : { role: message.role, content: withNames(message.content, inIt, names) }
  })
  const originals = new Map(values.map((value) => [names.get(keyOf(value)) ?? '', value.text]))
  return { kind: 'ok', messages: redacted, restorer: createRestorer(originals), counts: countsOf(found.flat()) }
}

function valueIn(content: string, { label, start, end }: Identifier) {
  return { label, text: content.slice(start, end) }
}

/** What the prompt itself says in the form of a placeholder: an answer may repeat it, and then it must stay. */
function saidAlready(messages: readonly ProviderMessage[]): Set<string> {
  const words = messages.flatMap(({ content }) => content.replace(invisibleCharacters, '').match(placeholderLike) ?? [])
  return new Set(words.map((word) => word.toUpperCase()))
}

function withNames(content: string, found: readonly Identifier[], names: ReadonlyMap<string, string>): string {
  let text = ''
  let from = 0
  for (const one of found) {
    text += content.slice(from, one.start) + (names.get(keyOf(valueIn(content, one))) ?? '')
    from = one.end
  }
  return text + content.slice(from)
}

function countsOf(found: readonly Identifier[]): ReadonlyMap<RedactedKind, number> {
  const counts = new Map<RedactedKind, number>()
  for (const { kind } of found) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

function tooSlow(): Refusal {
  return refusal('internal', 'the message could not be searched for personal data in time; the operator knows why')
}
