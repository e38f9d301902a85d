/** What is wrong with `sluice.yaml`: where, and what to do. Never a value: it may be a key that was put in the wrong place. */
import { shownNameLength } from './bounds.ts'

export type Path = readonly (string | number)[]

export interface Position {
  readonly line: number
  readonly column: number
}

export interface Problem {
  readonly path: Path
  /** `is …; set …`. */
  readonly words: string
  /** Default: where the path leads. */
  readonly at?: Position
}

const showable = new RegExp(`^[\\w.:/-]{1,${shownNameLength}}$`)

/** `targets.groq.keys[1]`; a name that is too long or strange to be shown is `…`. */
export function pathText(path: Path): string {
  const parts = path.map((part, index) => {
    if (typeof part === 'number') return `[${part}]`
    return `${index === 0 ? '' : '.'}${showable.test(part) ? part : '…'}`
  })
  return parts.join('')
}

/** `sluice.yaml:12:5 targets.groq.baseUrl is missing; add it`. */
export function problemText(file: string, { path, words }: Problem, { line, column }: Position): string {
  const place = path.length === 0 ? 'the file' : pathText(path)
  return `${file}:${line}:${column} ${place} ${words}`
}
