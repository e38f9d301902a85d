/**
 * Keys in files, one key each, read again while the gateway runs. A file that turns bad leaves the key that was there: it
 * may be half written, or its disk away. One that is gone takes its key with it, unless it is the last: an operator who
 * deletes a key means it, but a volume that is not mounted any more must not end every conversation.
 */
import { readFileSync, statSync } from 'node:fs'
import { KEY_FILE_GONE_LOOKS, KEY_FILE_LOOK_MS, KEY_FILE_MAX_BYTES } from './limits.ts'
import { type TokenKey, TokenKeys } from './token-key.ts'

export type ParsedKey<T> =
  /** `id`: the same for the same key, however it is written. */
  | { readonly kind: 'ok'; readonly id: string; readonly value: T }
  /** `problem` goes on after the file's name, and has nothing of what is in it. */
  | { readonly kind: 'wrong'; readonly problem: string }

export interface KeyFilesOptions<T> {
  /** The variable that names the files, for problems. */
  readonly variable: string
  readonly files: readonly string[]
  readonly parse: (text: string) => ParsedKey<T>
  readonly monotonicMs: () => number
  readonly report: (problem: string) => void
}

export interface FileKey<T> {
  readonly key: TokenKey
  readonly value: T
}

interface KnownFile<T> {
  readonly path: string
  text: string | undefined
  parsed: Extract<ParsedKey<T>, { kind: 'ok' }> | undefined
  goneLooks: number
  problem: string | undefined
}

type FileRead =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'wrong' | 'gone'; readonly problem: string }

export class KeyFiles<T> {
  readonly #options: KeyFilesOptions<T>
  readonly #files: readonly KnownFile<T>[]
  readonly #keys = new TokenKeys()
  #current: readonly FileKey<T>[] = []
  #lookedAtMs: number

  /** Reads every file. What is wrong is in `problems`, and such a file has no key. */
  constructor(options: KeyFilesOptions<T>) {
    this.#options = options
    this.#files = options.files.map((path) => ({
      path,
      text: undefined,
      parsed: undefined,
      goneLooks: 0,
      problem: undefined,
    }))
    this.#lookedAtMs = options.monotonicMs()
    this.#look()
  }

  /** What is wrong with the files now. */
  get problems(): readonly string[] {
    return this.#files.flatMap(({ problem }) => problem ?? [])
  }

  /** The keys as of the last look. */
  get current(): readonly FileKey<T>[] {
    return this.#current
  }

  /** Reads the files again when the last look is `KEY_FILE_LOOK_MS` ago. Synchronous: they are few, small and local. */
  refresh(): void {
    const nowMs = this.#options.monotonicMs()
    if (nowMs - this.#lookedAtMs < KEY_FILE_LOOK_MS) return
    this.#lookedAtMs = nowMs
    const before = new Set(this.problems)
    this.#look()
    for (const problem of this.problems) if (!before.has(problem)) this.#options.report(problem)
  }

  #look(): void {
    for (const file of this.#files) this.#lookAt(file)
    this.#dropGone()
    const parsed = this.#files.flatMap((file) => file.parsed ?? [])
    this.#keys.keepOnly(parsed.map(({ id }) => id))
    this.#current = parsed.flatMap(({ id, value }) => {
      const key = this.#keys.of(id)
      return key === undefined ? [] : [{ key, value }]
    })
  }

  #lookAt(file: KnownFile<T>): void {
    const read = readKeyFile(file.path)
    file.goneLooks = read.kind === 'gone' ? file.goneLooks + 1 : 0
    if (read.kind !== 'text') {
      file.problem = this.#named(file, read.problem)
      return
    }
    if (read.text === file.text) return
    file.text = read.text
    const parsed = this.#options.parse(read.text)
    file.problem = parsed.kind === 'wrong' ? this.#named(file, parsed.problem) : undefined
    if (parsed.kind === 'ok') file.parsed = parsed
  }

  #dropGone(): void {
    const isGone = ({ goneLooks }: KnownFile<T>) => goneLooks >= KEY_FILE_GONE_LOOKS
    if (!this.#files.some((file) => file.parsed !== undefined && !isGone(file))) return
    for (const file of this.#files.filter(isGone)) {
      file.parsed = undefined
      file.text = undefined
    }
  }

  #named({ path }: KnownFile<T>, problem: string): string {
    return `${this.#options.variable}: ${path} ${problem}`
  }
}

function readKeyFile(path: string): FileRead {
  try {
    // A device or a pipe has no size, and would be read for ever.
    const { size } = statSync(path)
    if (size > KEY_FILE_MAX_BYTES) {
      return { kind: 'wrong', problem: `is larger than ${KEY_FILE_MAX_BYTES} bytes; it is no key` }
    }
    return { kind: 'text', text: readFileSync(path, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const problem = `cannot be read: ${code}; name a readable file`
    return { kind: code === 'ENOENT' ? 'gone' : 'wrong', problem }
  }
}
