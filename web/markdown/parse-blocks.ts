import { Lexer, type MarkedToken, type Token } from 'marked'

/** A block longer than this is shown as it was written: some inputs take a Markdown parser quadratic time. */
const maxParsedLength = 16 * 1024
/** Quotes, lists and emphasis inside each other. The parser and the browser's layout recurse into them. */
const maxNesting = 50
/** Cells of a table, as many in each row as in its widest: the parser fills short rows up. */
const maxTableCells = 20_000
/** Runs of `*` and `_`: the parser looks for the partner of each in all that follow. */
const maxEmphasisMarks = 1_000

/** What the text says; undefined for a text that is to be shown as it was written, because parsing it would take too much. */
export function parseBlocks(source: string): Token[] | undefined {
  if (source.length > maxParsedLength || isTooNested(source) || isTooWide(source) || isTooMarked(source))
    return undefined
  try {
    const tokens = new Lexer({ gfm: true }).lex(source).filter(({ type }) => type !== 'space')
    return isDeeper(tokens) ? undefined : tokens
  } catch {
    // The parser's stack: an answer must be readable whatever it holds.
    return undefined
  }
}

/** A line that is nothing but `- - -` is a rule. */
const rule = '(?!(?:[ \\t]*[-*])+[ \\t]*$)'
const nestedLine = new RegExp(`^${rule}(?:[ \\t]*(?:>|[-*+]|\\d{1,9}[.)])){${maxNesting}}`, 'm')

function isTooNested(source: string): boolean {
  return nestedLine.test(source)
}

function isTooWide(source: string): boolean {
  const lines = source.split('\n')
  const widest = Math.max(...lines.map((line) => line.split('|').length))
  return widest * lines.length > maxTableCells
}

function isTooMarked(source: string): boolean {
  return (source.match(/[*_]+/g)?.length ?? 0) > maxEmphasisMarks
}

/** Without recursion: how deep it is, is the question. */
function isDeeper(tokens: readonly Token[]): boolean {
  const open = tokens.map((token) => ({ token, depth: 1 }))
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next
    if (depth > maxNesting) return true
    for (const child of childrenOf(token)) open.push({ token: child, depth: nests(child) ? depth + 1 : depth })
  }
  return false
}

function nests({ type }: Token): boolean {
  return (
    type === 'blockquote' || type === 'list' || type === 'em' || type === 'strong' || type === 'del' || type === 'link'
  )
}

function childrenOf(token: Token): readonly Token[] {
  // marked's own union, less the tokens of extensions, of which there are none here.
  const known = token as MarkedToken
  if (known.type === 'list') return known.items
  if (known.type === 'table') return [...known.header, ...known.rows.flat()].flatMap(({ tokens }) => tokens)
  return 'tokens' in known ? (known.tokens ?? []) : []
}
