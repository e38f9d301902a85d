import { copyButton } from './copy-button.ts'
import { highlightLater } from './highlighter.ts'

/**
 * A fenced code block that grows. Its lines are kept in segments of their own, of which only the last ever changes: a
 * single text node would be laid out from its first line for every token.
 */
const segmentLines = 40

export class CodeBlock {
  readonly element: HTMLElement
  readonly #code: HTMLElement
  readonly #info: string
  readonly #segments: Text[] = []
  #shown = ''
  #last: Text | undefined
  #lines = 0

  constructor(info: string) {
    this.#info = info
    this.#code = document.createElement('code')
    const pre = document.createElement('pre')
    // Long lines scroll sideways, with the keyboard too.
    pre.tabIndex = 0
    pre.append(this.#code)
    const language = document.createElement('span')
    language.textContent = info || 'text'
    const bar = document.createElement('div')
    bar.className = 'code-bar'
    bar.append(
      language,
      copyButton('Copy code', () => this.#shown),
    )
    this.element = document.createElement('div')
    this.element.className = 'code-block'
    this.element.append(bar, pre)
  }

  /** To be called once, when the block will not grow any more. */
  highlight(): void {
    highlightLater(this.#info, this.#segments)
  }

  /** `text` begins with what is shown; anything else is shown anew. */
  update(text: string): void {
    if (!text.startsWith(this.#shown)) this.#clear()
    const added = text.slice(this.#shown.length)
    this.#shown = text
    for (let at = 0; at < added.length; ) {
      const end = this.#segmentEnd(added, at)
      this.#append(added.slice(at, end))
      at = end
    }
  }

  /** As much as the last segment still takes. */
  #segmentEnd(text: string, from: number): number {
    let at = from
    while (this.#lines < segmentLines) {
      const newline = text.indexOf('\n', at)
      if (newline < 0) return text.length
      at = newline + 1
      this.#lines++
    }
    if (at > from) return at
    this.#last = undefined
    this.#lines = 0
    return this.#segmentEnd(text, from)
  }

  #append(text: string): void {
    if (this.#last !== undefined) return this.#last.appendData(text)
    this.#last = document.createTextNode(text)
    const segment = document.createElement('span')
    segment.className = 'code-segment'
    segment.append(this.#last)
    this.#segments.push(this.#last)
    this.#code.append(segment)
  }

  #clear(): void {
    this.#code.replaceChildren()
    this.#segments.length = 0
    this.#shown = ''
    this.#last = undefined
    this.#lines = 0
  }
}
