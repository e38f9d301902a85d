/** Text as it was written, that grows: what is added is appended to one text node, which browsers lay out from there. */
export class GrowingText {
  readonly element: HTMLElement
  readonly #node = document.createTextNode('')

  constructor() {
    this.element = document.createElement('p')
    this.element.className = 'plain'
    this.element.append(this.#node)
  }

  update(text: string): void {
    if (text.startsWith(this.#node.data)) this.#node.appendData(text.slice(this.#node.length))
    else this.#node.data = text
  }
}
