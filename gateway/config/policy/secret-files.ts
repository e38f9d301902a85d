/**
 * The files that secrets are in. Each has one cell, whichever policy names it, so that a turn that began with an older
 * policy uses the key that was rotated in meanwhile. A file that turns bad leaves what was read before.
 */
import { Secret } from '../secret.ts'
import type { FileText } from './file-text.ts'

export type SecretRead =
  | { readonly kind: 'ok'; readonly value: string }
  | { readonly kind: 'wrong'; readonly words: string }

export class SecretFiles {
  readonly #values = new Map<string, { value: string }>()

  /** Takes what was read over. The paths of those that changed, and of known ones that turned bad with what is wrong. */
  update(texts: ReadonlyMap<string, FileText>): {
    readonly rotated: readonly string[]
    readonly bad: readonly { readonly path: string; readonly words: string }[]
  } {
    const rotated: string[] = []
    const bad: { readonly path: string; readonly words: string }[] = []
    for (const [path, text] of texts) {
      const known = this.#values.get(path)
      const read = secretIn(text)
      if (read.kind === 'wrong') {
        if (known !== undefined) bad.push({ path, words: read.words })
      } else if (known === undefined) this.#values.set(path, { value: read.value })
      else if (known.value !== read.value) {
        known.value = read.value
        rotated.push(path)
      }
    }
    return { rotated, bad }
  }

  /** What is current whenever it is revealed; undefined when nothing good was ever read there. */
  secretOf(path: string): Secret | undefined {
    const cell = this.#values.get(path)
    return cell && new Secret(() => cell.value)
  }

  paths(): readonly string[] {
    return [...this.#values.keys()]
  }

  /** Forgets the others; who holds one of their secrets keeps what was read last. */
  keepOnly(paths: ReadonlySet<string>): void {
    for (const path of this.#values.keys()) if (!paths.has(path)) this.#values.delete(path)
  }
}

function secretIn(text: FileText): SecretRead {
  if (text.kind === 'absent')
    return { kind: 'wrong', words: 'names a file that is not there; make it, or change the path' }
  if (text.kind === 'wrong') return { kind: 'wrong', words: `names a file that ${text.words}` }
  return readSecret(text.text, 'names a file')
}

/** A key goes into a header: without what cannot stand there. `source`: `names a file`, `names a variable`. */
export function readSecret(text: string, source: string): SecretRead {
  const value = text.trim()
  if (value === '') return { kind: 'wrong', words: `${source} that is empty; put the key into it` }
  if (!/^[\x21-\x7e]+$/.test(value))
    return {
      kind: 'wrong',
      words: `${source} with blanks, line breaks or other characters no key has; put the key alone into it`,
    }
  return { kind: 'ok', value }
}

/** What is wrong with the file of a secret that has none. */
export function secretFileWords(text: FileText | undefined): string | undefined {
  const read = secretIn(text ?? { kind: 'absent' })
  return read.kind === 'wrong' ? read.words : undefined
}
