/**
 * Rendering a growing answer from its beginning for every frame is quadratic: 50 KB at 200 tokens a second freeze the
 * page. So the text is cut into blocks that nothing that follows can change, and one open block at its end.
 *
 * The invariant: every cut is a true border between top-level Markdown blocks (or between two items of one list), so
 * the blocks rendered one by one look as the whole would. Where CommonMark leaves doubt, no cut is made. Only whole
 * lines are looked at, each once; the line still being written belongs to the open block. The one exception is a
 * paragraph of several pages: it is cut after a sentence, where no emphasis or code is open, into paragraphs that
 * `continue` one another.
 */

/** A paragraph longer than this is cut where it can be, in UTF-16 units. */
const longParagraph = 4096

export interface OpenBlock {
  readonly kind: 'text' | 'code'
  /** For `code` the lines after the opening fence, without what may become the closing one. */
  readonly text: string
  /** The language that the fence names. */
  readonly info: string
  /** It goes on with the paragraph before. */
  readonly continues?: boolean
}

export interface Split {
  /** Blocks that were finished since the last call, in order. */
  readonly finished: readonly FinishedBlock[]
  readonly open: OpenBlock | undefined
}

export interface FinishedBlock {
  readonly source: string
  /** It goes on with the paragraph before. */
  readonly continues: boolean
  /** Set when the block is a fenced code block: what `open` showed of it, made whole. */
  readonly code: OpenBlock | undefined
}

interface Fence {
  readonly character: string
  readonly length: number
  readonly info: string
  readonly bodyStart: number
}

type Block = 'none' | 'paragraph' | 'quote' | 'list' | 'indented'

export class BlockSplitter {
  #text = ''
  /** Where the open block begins. */
  #start = 0
  /** Where the first line begins that was not looked at. */
  #line = 0
  #block: Block = 'none'
  #afterBlank = false
  #continues = false
  /** The line's beginning was cut off with a paragraph: what is left of it begins no block of its own. */
  #isMidLine = false
  #fence: Fence | undefined
  #finished: FinishedBlock[] = []

  /** `text` must begin with the text of the call before. After `isFinal` nothing may follow. */
  advance(text: string, isFinal: boolean): Split {
    this.#text = text
    for (let end = text.indexOf('\n', this.#line); end >= 0; end = text.indexOf('\n', this.#line)) {
      this.#take(text.slice(this.#line, end), end + 1)
      this.#line = end + 1
    }
    const isParagraph = this.#block === 'paragraph' || (this.#block === 'none' && this.#isTextLine())
    if (isParagraph) this.#cutParagraph(text.length)
    if (isFinal) this.#end()
    const finished = this.#finished
    this.#finished = []
    return { finished, open: isFinal ? undefined : this.#open() }
  }

  #take(line: string, next: number): void {
    if (this.#fence !== undefined) {
      if (closesFence(line, this.#fence)) this.#finishCode(this.#line, next)
    } else if (line.trim() === '') {
      this.#takeBlank(next)
    } else {
      if (!this.#isMidLine && this.#endsBefore(line)) this.#finish(this.#line)
      if (this.#block === 'none') this.#begin(line, next)
      this.#afterBlank = false
    }
    this.#isMidLine = false
  }

  #takeBlank(next: number): void {
    if (this.#block === 'none') this.#start = next
    else if (this.#block === 'list' || this.#block === 'indented') this.#afterBlank = true
    else this.#finish(next)
  }

  /** Whether the open block is over before this line, which is not blank. */
  #endsBefore(line: string): boolean {
    const indent = indentOf(line)
    switch (this.#block) {
      case 'none':
        return false
      case 'indented':
        return indent < 4
      case 'list':
        return indent < 2 && (this.#afterBlank || isItem(line) || interrupts(line))
      case 'quote':
        return !line.trimStart().startsWith('>') && interrupts(line)
      case 'paragraph':
        return interrupts(line)
    }
  }

  #begin(line: string, next: number): void {
    const fence = openedFence(line, next)
    if (fence !== undefined) this.#fence = fence
    else if (isHeading(line) || isRule(line)) this.#finish(next)
    else if (indentOf(line) >= 4) this.#block = 'indented'
    else if (isItem(line)) this.#block = 'list'
    else if (line.trimStart().startsWith('>')) this.#block = 'quote'
    else this.#block = 'paragraph'
  }

  #finish(at: number): void {
    if (this.#block === 'paragraph') this.#cutParagraph(at)
    this.#push(at)
  }

  #push(at: number): void {
    const source = this.#text.slice(this.#start, at)
    if (source.trim() !== '') this.#finished.push({ source, code: undefined, continues: this.#continues })
    this.#continues = false
    this.#start = at
    this.#block = 'none'
    this.#afterBlank = false
  }

  #finishCode(bodyEnd: number, at: number): void {
    const { bodyStart = 0, info = '' } = this.#fence ?? {}
    const text = this.#text.slice(bodyStart, Math.max(bodyStart, bodyEnd - 1))
    this.#finished.push({
      source: this.#text.slice(this.#start, at),
      code: { kind: 'code', text, info },
      continues: false,
    })
    this.#continues = false
    this.#fence = undefined
    this.#start = at
    this.#block = 'none'
  }

  /** Cuts what is before `end`: a book in one paragraph must not be one block. */
  #cutParagraph(end: number): void {
    while (end - this.#start > longParagraph) {
      const at = sentenceEnd(this.#text, this.#start, this.#start + longParagraph)
      if (at === undefined) return
      this.#isMidLine = at > this.#line
      this.#line = Math.max(this.#line, at)
      this.#push(at)
      this.#block = 'paragraph'
      this.#continues = true
    }
  }

  #isTextLine(): boolean {
    const line = this.#text.slice(this.#line, this.#line + 200)
    const isOther = isItem(line) || isHeading(line) || isRule(line) || /^\s*[>|<]/.test(line) || indentOf(line) >= 4
    return this.#fence === undefined && !isOther && openedFence(line, 0) === undefined
  }

  #end(): void {
    const last = this.#text.slice(this.#line)
    const { length } = this.#text
    if (last !== '') this.#take(last, length)
    this.#line = length
    if (this.#fence !== undefined) this.#finishCode(this.#text.endsWith('\n') ? length : length + 1, length)
    else this.#finish(length)
  }

  #open(): OpenBlock | undefined {
    if (this.#fence === undefined) {
      const text = this.#text.slice(this.#start)
      return text.trim() === '' ? undefined : { kind: 'text', text, info: '', continues: this.#continues }
    }
    const { bodyStart, info } = this.#fence
    const mayClose = /^ {0,3}[`~]*[ \t]*$/.test(this.#text.slice(this.#line))
    const end = mayClose ? Math.max(bodyStart, this.#line - 1) : this.#text.length
    return { kind: 'code', text: this.#text.slice(bodyStart, end), info }
  }
}

/** The last place in the range that ends a sentence (or else a word) and where nothing that Markdown pairs is open. */
function sentenceEnd(text: string, from: number, to: number): number | undefined {
  for (const end of ['. ', ' ']) {
    for (let at = text.lastIndexOf(end, to); at > from + longParagraph / 2; at = text.lastIndexOf(end, at - 1)) {
      if (isBalanced(text.slice(from, at))) return at + end.length
    }
  }
  return undefined
}

function isBalanced(text: string): boolean {
  const counts = new Map<string, number>()
  for (const [mark] of text.matchAll(/\*+|_+|`+|~+|[[\]()|]/g)) {
    const sign = mark.charAt(0)
    counts.set(sign, (counts.get(sign) ?? 0) + 1)
  }
  const isEven = (mark: string) => (counts.get(mark) ?? 0) % 2 === 0
  const areEqual = (open: string, close: string) => (counts.get(open) ?? 0) === (counts.get(close) ?? 0)
  return ['*', '_', '`', '~'].every(isEven) && areEqual('[', ']') && areEqual('(', ')') && !counts.has('|')
}

function openedFence(line: string, bodyStart: number): Fence | undefined {
  const match = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line)
  if (match === null) return undefined
  const [, marks = '', info = ''] = match
  if (marks.startsWith('`') && info.includes('`')) return undefined
  return { character: marks.charAt(0), length: marks.length, info: info.trim().split(/\s+/)[0] ?? '', bodyStart }
}

function closesFence(line: string, { character, length }: Fence): boolean {
  const marks = line.trim()
  return indentOf(line) < 4 && marks.length >= length && marks === character.repeat(marks.length)
}

/** What may follow a paragraph's line without a blank one between. `---` may not: it makes a heading of it. */
function interrupts(line: string): boolean {
  if (indentOf(line) >= 4) return false
  if (openedFence(line, 0) !== undefined || isHeading(line) || /^\s*>/.test(line)) return true
  if (isRule(line)) return !/^\s*-+\s*$/.test(line)
  return /^ {0,3}(?:[-*+]|1[.)])[ \t]+\S/.test(line)
}

function isHeading(line: string): boolean {
  return /^ {0,3}#{1,6}(?:[ \t]|$)/.test(line)
}

function isRule(line: string): boolean {
  return /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/.test(line)
}

function isItem(line: string): boolean {
  return /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:[ \t]|$)/.test(line) && !isRule(line)
}

function indentOf(line: string): number {
  let indent = 0
  for (const character of line) {
    if (character === ' ') indent++
    else if (character === '\t') indent += 4 - (indent % 4)
    else break
  }
  return indent
}
