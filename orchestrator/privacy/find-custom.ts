/**
 * What an operator's own patterns match. A pattern may backtrack for ever on the right text, and JavaScript has no bound
 * for that; a script that runs in a context of `node:vm` has one, and it reaches into the matching. So all patterns run in
 * there, at about 0.1 ms a message, and only where there are some.
 */
import { createContext, Script } from 'node:vm'
import type { TenantPrivacy } from '../policy.ts'
import type { Identifier } from './identifier.ts'
import { customPatternsMs, placeholderKindLetters } from './limits.ts'

/** What is in each of the texts. All of them together may take `customPatternsMs`. */
export type CustomFinder = (
  texts: readonly string[],
) => { readonly kind: 'ok'; readonly found: ReadonlyMap<string, readonly Identifier[]> } | TooSlow

interface TooSlow {
  readonly kind: 'too-slow'
}

const script = new Script('run()')

export function createCustomFinder(custom: TenantPrivacy['custom']): CustomFinder {
  if (custom.length === 0) return () => ({ kind: 'ok', found: new Map() })
  const patterns = custom.map(({ name, pattern }) => ({ label: labelOf(name), pattern: global(pattern) }))
  let texts: readonly string[] = []
  const findAll = (text: string) => patterns.flatMap(({ label, pattern }) => matches(text, label, pattern))
  const run = () => new Map(texts.map((text) => [text, findAll(text)]))
  const context = createContext({ run })
  return (all) => {
    texts = all
    try {
      // The context has nothing but `run`, whose type is above.
      const found = script.runInContext(context, { timeout: customPatternsMs }) as ReturnType<typeof run>
      return { kind: 'ok', found }
    } catch (error) {
      if (isTimeout(error)) return { kind: 'too-slow' }
      throw error
    } finally {
      texts = []
    }
  }
}

function matches(text: string, label: string, pattern: RegExp): Identifier[] {
  const found: Identifier[] = []
  for (const { 0: value, index } of text.matchAll(pattern)) {
    if (value !== '') found.push({ kind: 'custom', label, start: index, end: index + value.length })
  }
  return found
}

/** The error is of the context's own realm, and no `Error` of ours. */
function isTimeout(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

function global(pattern: RegExp): RegExp {
  return new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}g`)
}

/** The name's letters, without the one that begins a placeholder. */
function labelOf(name: string): string {
  const letters = name.toUpperCase().replace(/[^A-PR-Z]/g, '')
  return letters.slice(0, placeholderKindLetters) || 'CUSTOM'
}
