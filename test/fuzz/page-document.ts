/**
 * As much of a document as the page's Markdown needs, and no more, so that what is drawn can be looked at without a browser. What is
 * not here fails when it is used.
 */

class FakeNode {
  readonly childNodes: FakeNode[] = []
  parentNode: FakeNode | undefined

  append(...nodes: readonly (FakeNode | string)[]): void {
    this.#insert(this.childNodes.length, nodes)
  }

  prepend(...nodes: readonly (FakeNode | string)[]): void {
    this.#insert(0, nodes)
  }

  replaceChildren(...nodes: readonly FakeNode[]): void {
    for (const child of this.childNodes) child.parentNode = undefined
    this.childNodes.length = 0
    this.append(...nodes)
  }

  removeChild(child: FakeNode): void {
    // What was drawn last is taken away first.
    const at = this.childNodes.lastIndexOf(child)
    if (at < 0) throw new Error('removeChild: it is no child')
    this.childNodes.splice(at, 1)
    child.parentNode = undefined
  }

  #insert(at: number, nodes: readonly (FakeNode | string)[]): void {
    const made = nodes.map((node) => (typeof node === 'string' ? new FakeText(node) : node))
    for (const node of made) {
      node.parentNode?.removeChild(node)
      node.parentNode = this
    }
    let place = at
    // One after the other: a call has room for a bounded number of arguments.
    for (const node of made) this.childNodes.splice(place++, 0, node)
  }
}

export class FakeText extends FakeNode {
  data: string
  readonly isConnected = true

  constructor(data: string) {
    super()
    this.data = data
  }

  get length(): number {
    return this.data.length
  }

  appendData(more: string): void {
    this.data += more
  }
}

export class FakeElement extends FakeNode {
  readonly tagName: string
  readonly attributes = new Map<string, string>()
  className = ''
  tabIndex = -1
  type = ''
  disabled = false
  checked = false

  constructor(name: string) {
    super()
    this.tagName = name.toUpperCase()
  }

  get lastElementChild(): FakeElement | null {
    return this.childNodes.findLast((node) => node instanceof FakeElement) ?? null
  }

  set textContent(text: string) {
    this.replaceChildren(new FakeText(text))
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value)
  }

  addEventListener(): void {
    // Nobody clicks here.
  }
}

class FakeUnorderedList extends FakeElement {}
class FakeOrderedList extends FakeElement {}

function createElement(name: string): FakeElement {
  if (name === 'ul') return new FakeUnorderedList(name)
  return name === 'ol' ? new FakeOrderedList(name) : new FakeElement(name)
}

const highlights = new Map<string, FakeHighlight>()

class FakeHighlight {
  add(): void {
    // Colours are not looked at.
  }
}

class FakeRange {
  readonly endOffset: number
  constructor({ startOffset, endOffset }: { readonly startOffset: number; readonly endOffset: number }) {
    if (!(endOffset > startOffset)) throw new Error('a highlight of nothing')
    this.endOffset = endOffset
  }
}

/** Puts them where the page's modules look for a browser's. */
export function installDocument(): void {
  Object.assign(globalThis, {
    Text: FakeText,
    document: { createElement, createTextNode: (text: string) => new FakeText(text) },
    HTMLElement: FakeElement,
    HTMLUListElement: FakeUnorderedList,
    HTMLOListElement: FakeOrderedList,
    Highlight: FakeHighlight,
    StaticRange: FakeRange,
    CSS: { highlights },
    requestIdleCallback: (act: () => void) => act(),
  })
}

/** What a reader sees, as text with its elements, on one line each. `seen` is called with each element. */
export function drawn(root: FakeElement, seen: (element: FakeElement) => void): string {
  const lines: string[] = []
  const open: { readonly node: FakeNode; readonly depth: number }[] = [{ node: root, depth: 0 }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, depth } = next
    if (node instanceof FakeText) lines.push(`${depth} ${node.data}`)
    else if (node instanceof FakeElement) {
      seen(node)
      lines.push(`${depth} ${node.tagName} ${node.className} ${[...node.attributes].join(' ')}`)
    }
    for (const child of node.childNodes.toReversed()) open.push({ node: child, depth: depth + 1 })
  }
  return lines.join('\n')
}
