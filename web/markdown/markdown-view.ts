import type { Token } from 'marked'
import { BlockSplitter, type FinishedBlock, type OpenBlock } from './block-splitter.ts'
import { CodeBlock } from './code-block.ts'
import { GrowingParagraph } from './growing-paragraph.ts'
import { GrowingText } from './growing-text.ts'
import { parseBlocks } from './parse-blocks.ts'
import { renderBlocks } from './render-tokens.ts'

/** After a render of the open block that took t milliseconds, the next one is at least this many t later. */
const restFactor = 6

/**
 * A growing answer in the page. Finished blocks are rendered once and never touched again; the open one is rendered
 * anew for each update, an open code block only appended to. An open block that has become expensive is rendered less
 * often, in proportion to what it costs.
 */
export class MarkdownView {
  readonly #root: HTMLElement
  #splitter = new BlockSplitter()
  #text = ''
  #isFinal = false
  #openNodes: readonly Node[] = []
  #openCode: CodeBlock | undefined
  #openPlain: GrowingText | undefined
  #openParagraph: GrowingParagraph | undefined
  /** The list that the last finished block was; the next item goes on with it. */
  #list: { readonly element: HTMLElement; readonly marker: string } | undefined
  #restUntilMs = 0
  #restTimer: ReturnType<typeof setTimeout> | undefined

  constructor(root: HTMLElement) {
    this.#root = root
  }

  /** Shows `text`, which may also differ from what was shown. `isFinal`: it will not grow. */
  update(text: string, isFinal: boolean): void {
    if (text === this.#text && isFinal === this.#isFinal) return
    if (this.#isFinal || !text.startsWith(this.#text)) this.#clear()
    this.#text = text
    this.#isFinal = isFinal
    const isResting = !isFinal && performance.now() < this.#restUntilMs
    if (isResting) return this.#renderAfterRest()
    this.#render()
  }

  dispose(): void {
    clearTimeout(this.#restTimer)
    this.#restTimer = undefined
  }

  #render(): void {
    const beganMs = performance.now()
    const { finished, open } = this.#splitter.advance(this.#text, this.#isFinal)
    for (const block of finished) this.#finish(block)
    if (open !== undefined) this.#showOpen(open)
    const nowMs = performance.now()
    this.#restUntilMs = nowMs + (nowMs - beganMs - 1) * restFactor
  }

  #renderAfterRest(): void {
    this.#restTimer ??= setTimeout(() => {
      this.#restTimer = undefined
      this.#render()
    }, this.#restUntilMs - performance.now())
  }

  #finish({ source, code, continues }: FinishedBlock): void {
    if (code !== undefined) {
      this.#showCode(code)
      this.#openCode?.highlight()
      this.#openCode = undefined
    } else {
      this.#showText(source, continues)
      this.#openPlain = undefined
      this.#openParagraph = undefined
      this.#rememberList(source)
    }
    this.#openNodes = []
  }

  #showOpen(open: OpenBlock): void {
    if (open.kind === 'code') this.#showCode(open)
    else this.#showText(open.text, open.continues === true)
  }

  #showCode({ info, text }: OpenBlock): void {
    this.#list = undefined
    // The first signs of a fence were a paragraph of their own, which is gone with them.
    this.#openParagraph = undefined
    this.#openPlain = undefined
    if (this.#openCode === undefined) {
      this.#openCode = new CodeBlock(info)
      this.#replaceOpen(this.#root, [this.#openCode.element])
    }
    this.#openCode.update(text)
  }

  #showText(source: string, continues: boolean): void {
    const tokens = parseBlocks(source)
    if (tokens === undefined) {
      this.#openParagraph = undefined
      return this.#showPlain(source)
    }
    this.#openPlain = undefined
    const [only, another] = tokens
    if (another === undefined && only?.type === 'paragraph') return this.#showParagraph(only.tokens ?? [], continues)
    this.#openParagraph = undefined
    const nodes = renderBlocks(tokens)
    const [first] = nodes
    if (this.#list !== undefined && isSameList(first, source, this.#list)) {
      const [items, rest] = [[...first.childNodes], nodes.slice(1)]
      this.#replaceOpen(this.#list.element, items)
      this.#root.append(...rest)
      this.#openNodes = [...items, ...rest]
    } else {
      this.#replaceOpen(this.#root, nodes)
    }
  }

  #showParagraph(tokens: readonly Token[], continues: boolean): void {
    if (this.#openParagraph === undefined) {
      this.#openParagraph = new GrowingParagraph(continues)
      this.#replaceOpen(this.#root, [this.#openParagraph.element])
    }
    this.#openParagraph.update(tokens)
  }

  #showPlain(source: string): void {
    if (this.#openPlain === undefined) {
      this.#openPlain = new GrowingText()
      this.#replaceOpen(this.#root, [this.#openPlain.element])
    }
    this.#openPlain.update(source)
  }

  #rememberList(source: string): void {
    const marker = markerOf(source)
    const last = this.#root.lastElementChild
    const isList = marker !== undefined && (last instanceof HTMLUListElement || last instanceof HTMLOListElement)
    this.#list = isList ? { element: last, marker } : undefined
  }

  #replaceOpen(parent: HTMLElement, nodes: readonly Node[]): void {
    for (const node of this.#openNodes) node.parentNode?.removeChild(node)
    parent.append(...nodes)
    this.#openNodes = nodes
  }

  #clear(): void {
    this.dispose()
    this.#root.replaceChildren()
    this.#splitter = new BlockSplitter()
    this.#openNodes = []
    this.#openCode = undefined
    this.#openPlain = undefined
    this.#openParagraph = undefined
    this.#list = undefined
    this.#restUntilMs = 0
  }
}

/** What must be equal for two items to be of one list: the sign, or that of an ordered list. */
function markerOf(source: string): string | undefined {
  const match = /^ {0,3}(?:([-*+])|\d{1,9}([.)]))(?:[ \t]|$)/m.exec(source.split('\n', 1)[0] ?? '')
  return match?.[1] ?? match?.[2]
}

function isSameList(
  node: Node | undefined,
  source: string,
  list: { readonly element: HTMLElement; readonly marker: string },
): node is HTMLElement {
  return node instanceof HTMLElement && node.tagName === list.element.tagName && markerOf(source) === list.marker
}
