/**
 * The words that stand for identifiers while a provider sees the conversation: `QEMAIL7K3F9A2D`.
 *
 * A word is derived from the value by a keyed hash, so every node gives a value the same one in every turn of a session,
 * and nothing is stored; who has not the key learns nothing from it, nor whether two sessions tell of the same value.
 * It is letters and digits alone, which neither Markdown nor HTML, JSON, YAML, a URL or a program gives a meaning, so that
 * nothing in an answer escapes or swallows a part of it (docs/decisions/0026-placeholders-by-keyed-hash.md).
 *
 * No Q is in it but the first, and where its letters end its code begins, with a digit: so one never begins inside
 * another or is the beginning of another, and none comes about where text and placeholder meet.
 */
import { createHmac, hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { namePartValues, placeholderCodeCharacters, placeholderKindLetters } from './limits.ts'

/** What a placeholder stands for: its label says what it is, in at most 12 capital letters without Q. */
export interface Value {
  readonly label: string
  readonly text: string
}

/** Without I, L and O, which are read as figures, and Q; the first eight are for the code's beginning. */
const alphabet = '2345678901ABCDEFGHJKMNPRSTUVWXYZ'

/** In any case, as a model may write it: what restores them does not mind either. */
export const placeholderLike = new RegExp(
  `q[a-pr-z]{2,${placeholderKindLetters}}[2-9][0-9a-pr-z]{${placeholderCodeCharacters - 1}}`,
  'gi',
)

/** Identifies a value among those of one prompt. */
export function keyOf({ label, text }: Value): string {
  return `${label} ${text}`
}

/**
 * A name for each of the values, by `keyOf`: all different, and none among the words `taken`, which are what the prompt
 * itself says in the form of placeholders. Who is in another's way takes its next name, in 38 bits seldom anybody.
 */
export async function nameValues(
  secret: Uint8Array,
  session: string,
  values: readonly Value[],
  taken: ReadonlySet<string>,
): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  const used = new Set(taken)
  const key = createHmac('sha256', secret).update(session).digest('hex')
  let open: readonly Value[] = [...new Map(values.map((value) => [keyOf(value), value])).values()]
  for (let attempt = 0; open.length > 0; attempt++) {
    const claims = await claimsOf(open, (value) => nameOf(key, value, attempt))
    const again: Value[] = []
    for (const [name, claimants] of claims) {
      const [value, ...others] = claimants
      if (value !== undefined && others.length === 0 && !used.has(name)) names.set(keyOf(value), name)
      else again.push(...claimants)
      used.add(name)
    }
    open = again
  }
  return names
}

/** The values by the name they ask for. Others have their turn in between when they are many. */
async function claimsOf(values: readonly Value[], name: (value: Value) => string): Promise<Map<string, Value[]>> {
  const claims = new Map<string, Value[]>()
  for (let from = 0; from < values.length; from += namePartValues) {
    if (from > 0) await setImmediate()
    for (const value of values.slice(from, from + namePartValues)) {
      const wanted = name(value)
      const others = claims.get(wanted)
      if (others === undefined) claims.set(wanted, [value])
      else others.push(value)
    }
  }
  return claims
}

/**
 * The session's key before the value, hashed, and most of the hash dropped: as good as an HMAC of each value, since what is
 * left of the hash cannot be continued, at a fifteenth of its time.
 */
function nameOf(sessionKey: string, value: Value, attempt: number): string {
  const digest = hash('sha256', `${sessionKey} ${attempt} ${keyOf(value)}`, 'buffer')
  let code = ''
  for (const byte of digest.subarray(0, placeholderCodeCharacters)) {
    code += alphabet.charAt(byte & (code === '' ? 7 : 31))
  }
  return `Q${value.label}${code}`
}
