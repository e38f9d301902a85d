import type { MarkedToken, Token, Tokens } from 'marked'
import { decodeEntities } from './entities.ts'
import { bidiControls, safeLink } from './safe-url.ts'

/**
 * Markdown's tokens as DOM nodes. No HTML text is made or parsed anywhere, so there is nothing to sanitize: what a model
 * or a user wrote as HTML stays text, and the only attributes are the ones written down here.
 */

export function renderBlocks(tokens: readonly Token[]): Node[] {
  return tokens.flatMap((token) => renderBlock(asKnown(token)))
}

/** marked's own union, less the tokens of extensions, of which there are none here. */
function asKnown(token: Token): MarkedToken {
  return token as MarkedToken
}

function renderBlock(token: MarkedToken): Node[] {
  switch (token.type) {
    case 'space':
    case 'def':
    case 'checkbox':
      return []
    case 'heading':
      // The page has h1 and h2; an answer's first level begins below them.
      return [element(`h${Math.min(6, token.depth + 2)}`, renderInlines(token.tokens))]
    case 'paragraph':
      return [element('p', renderInlines(token.tokens))]
    case 'text':
      return token.tokens === undefined ? [text(token.text)] : renderInlines(token.tokens)
    case 'code':
      return [element('pre', [element('code', [document.createTextNode(token.text)])])]
    case 'blockquote':
      return [element('blockquote', renderBlocks(token.tokens))]
    case 'list':
      return [renderList(token)]
    case 'table':
      return [renderTable(token)]
    case 'hr':
      return [document.createElement('hr')]
    case 'html':
      return [element('p', [document.createTextNode(token.raw.trim())])]
    default:
      return renderInline(token)
  }
}

function renderList({ ordered, start, items }: Tokens.List): HTMLElement {
  const list = element(
    ordered ? 'ol' : 'ul',
    items.map((item) => renderItem(item)),
  )
  if (ordered && start !== '' && start !== 1) list.setAttribute('start', String(start))
  return list
}

function renderItem({ task, checked, tokens }: Tokens.ListItem): HTMLElement {
  const item = element('li', renderBlocks(tokens))
  if (!task) return item
  const box = document.createElement('input')
  box.type = 'checkbox'
  box.disabled = true
  box.checked = checked === true
  item.className = 'task'
  item.prepend(box)
  return item
}

function renderTable({ header, rows }: Tokens.Table): HTMLElement {
  const head = element('thead', [
    element(
      'tr',
      header.map((cell) => renderCell('th', cell)),
    ),
  ])
  const body = rows.map((row) =>
    element(
      'tr',
      row.map((cell) => renderCell('td', cell)),
    ),
  )
  const scroller = element('div', [element('table', [head, element('tbody', body)])])
  scroller.className = 'table'
  // A wide table scrolls sideways, with the keyboard too.
  scroller.tabIndex = 0
  return scroller
}

function renderCell(name: 'th' | 'td', { tokens, align }: Tokens.TableCell): HTMLElement {
  const cell = element(name, renderInlines(tokens))
  if (align !== null) cell.className = `align-${align}`
  return cell
}

export function renderInlines(tokens: readonly Token[]): Node[] {
  return tokens.flatMap((token) => renderInline(asKnown(token)))
}

function renderInline(token: MarkedToken): Node[] {
  switch (token.type) {
    case 'text':
      return token.tokens === undefined ? [text(token.text)] : renderInlines(token.tokens)
    case 'escape':
      return [text(token.text)]
    case 'strong':
    case 'em':
    case 'del':
      return [element(token.type, renderInlines(token.tokens))]
    case 'codespan':
      return [element('code', [document.createTextNode(token.text)])]
    case 'br':
      return [document.createElement('br')]
    case 'link':
      return renderLink(token.href, renderInlines(token.tokens))
    case 'image':
      // Loading it would tell a foreign host who reads this answer, and when.
      return renderLink(token.href, [text(token.text || token.href)])
    case 'checkbox':
      return []
    case 'paragraph':
    case 'list':
    case 'code':
    case 'blockquote':
    case 'heading':
    case 'table':
    case 'hr':
    case 'space':
    case 'def':
      return renderBlock(token)
    case 'html':
      return [document.createTextNode(token.raw)]
    default:
      return []
  }
}

function renderLink(address: string, children: Node[]): Node[] {
  const safe = safeLink(address, children.map(({ textContent }) => textContent ?? '').join(''))
  if (safe === undefined) return children
  const link = element('a', children)
  for (const piece of textsIn(link)) piece.data = piece.data.replace(bidiControls, '')
  if (safe.host !== undefined) link.append(' ', element('bdi', [document.createTextNode(`(${safe.host})`)]))
  link.setAttribute('href', safe.href)
  link.setAttribute('rel', 'noopener noreferrer nofollow')
  link.setAttribute('target', '_blank')
  return [link]
}

/** Nested no deeper than `maxNesting`. */
function textsIn(root: Node): Text[] {
  return [...root.childNodes].flatMap((child) => (child instanceof Text ? [child] : textsIn(child)))
}

function text(content: string): Text {
  return document.createTextNode(decodeEntities(content))
}

function element(name: string, children: readonly Node[]): HTMLElement {
  const made = document.createElement(name)
  made.append(...children)
  return made
}
