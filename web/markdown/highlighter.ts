/**
 * Colours for finished code, without touching the document: ranges of its text are given to the browser's highlights
 * (CSS Custom Highlight API), in idle time, within bounds. A browser without them shows plain code.
 */
const maxLength = 20_000
/** Ranges in the page cost memory; the code blocks beyond are plain. */
const maxRanges = 20_000

type Kind = 'comment' | 'keyword' | 'string' | 'number'

const keywords =
  'abstract and as assert async await begin bool boolean break case catch char class const continue def default defer ' +
  'del do elif else end enum except export extends extern false final finally float fn for from func function get go ' +
  'if impl implements import in instanceof int interface is lambda let long loop match mod module move mut namespace ' +
  'new nil none not null of or package pass private protected pub public raise readonly return self set static string ' +
  'struct super switch template then this throw throws trait true try type typeof undefined union unless unsafe until ' +
  'use using var void when where while with yield'

const words = new Set(keywords.split(' '))
const sql = new Set(
  'select from where insert into update delete join left right inner outer on group by order'.split(' '),
)
/** Languages in which `#` begins a comment, and `//` does not. */
const hashLanguages =
  /^(?:py|python|sh|bash|zsh|shell|console|rb|ruby|yaml|yml|toml|r|perl|make|makefile|dockerfile|ini)$/i
const proseLanguages = /^(?:|text|txt|plain|plaintext|md|markdown|csv|log)$/i

const slashPattern =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`|\b\d[\w.]*|(?<!\.)\b[A-Za-z_]\w*/g
const hashPattern = /#[^\n]*|"""[\s\S]*?"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\b\d[\w.]*|(?<!\.)\b[A-Za-z_]\w*/g

let rangeCount = 0

/** Plans the colours of a finished block: `segments` are its text nodes, in order. */
export function highlightLater(language: string, segments: readonly Text[]): void {
  const length = segments.reduce((sum, { length }) => sum + length, 0)
  if (typeof Highlight === 'undefined' || proseLanguages.test(language) || length > maxLength) return
  // Safari has no idle callbacks.
  const whenIdle = globalThis.requestIdleCallback ?? ((act: () => void) => setTimeout(act, 200))
  whenIdle(() => {
    for (const segment of segments) highlightSegment(language, segment)
  })
}

function highlightSegment(language: string, segment: Text): void {
  if (!segment.isConnected) return
  const isSql = /sql/i.test(language)
  const pattern = hashLanguages.test(language) ? hashPattern : slashPattern
  for (const match of segment.data.matchAll(pattern)) {
    const kind = kindOf(match[0], isSql)
    if (kind === undefined || rangeCount >= maxRanges) continue
    const range = new StaticRange({
      startContainer: segment,
      startOffset: match.index,
      endContainer: segment,
      endOffset: match.index + match[0].length,
    })
    highlightOf(kind).add(range)
    rangeCount++
  }
}

function kindOf(token: string, isSql: boolean): Kind | undefined {
  if (/^(?:\/\/|\/\*|#)/.test(token)) return 'comment'
  if (/^["'`]/.test(token)) return 'string'
  if (/^\d/.test(token)) return 'number'
  return words.has(token) || (isSql && sql.has(token.toLowerCase())) ? 'keyword' : undefined
}

function highlightOf(kind: Kind): Highlight {
  const name = `code-${kind}`
  const known = CSS.highlights.get(name)
  if (known !== undefined) return known
  const made = new Highlight()
  CSS.highlights.set(name, made)
  return made
}
