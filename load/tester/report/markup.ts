/**
 * HTML and SVG whose texts are escaped by construction: what stands between the literal parts of the template is text,
 * unless it is markup itself. Names and examples in a result come from outside; nobody has to remember that.
 */
import { printable } from './figures.ts'

export class Markup {
  readonly text: string

  /** Only for text that was written here; everything else goes through `markup`. */
  constructor(text: string) {
    this.text = text
  }
}

/** Absent content is nothing; a list is its members one after another. */
export type Content = Markup | string | number | undefined | readonly Content[]

export function markup(literals: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  const parts = literals.map((literal, index) => `${literal}${textOf(contents[index])}`)
  return new Markup(parts.join(''))
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Safe as an element's text and in a quoted attribute. */
export function escaped(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? '')
}

function textOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.text
  if (typeof content === 'object') return content.map(textOf).join('')
  return escaped(String(content))
}
