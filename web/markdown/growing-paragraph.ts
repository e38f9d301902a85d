import type { Token } from 'marked'
import { renderInlines } from './render-tokens.ts'

/**
 * A paragraph that grows. Some answers are one paragraph of many pages: what comes is put behind what stands, and only
 * the pieces that read differently now (a sign whose twin has come, the last words) are drawn again.
 */
export class GrowingParagraph {
  readonly element = document.createElement('p')
  readonly #shown: { readonly type: string; readonly raw: string; readonly nodes: readonly Node[] }[] = []

  /** `continues`: it is one paragraph with the one before. */
  constructor(continues: boolean) {
    if (continues) this.element.className = 'continues'
  }

  update(tokens: readonly Token[]): void {
    const changed = tokens.findIndex((token, index) => {
      const shown = this.#shown[index]
      return shown?.raw !== token.raw || shown.type !== token.type
    })
    const kept = changed < 0 ? tokens.length : changed
    for (const { nodes } of this.#shown.splice(kept)) {
      for (const node of nodes) node.parentNode?.removeChild(node)
    }
    for (const token of tokens.slice(kept)) {
      const nodes = renderInlines([token])
      this.element.append(...nodes)
      this.#shown.push({ type: token.type, raw: token.raw, nodes })
    }
  }
}
