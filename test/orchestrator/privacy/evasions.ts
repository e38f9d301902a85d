/**
 * Identifiers as typography hides them: each of some identifiers, written in each of many ways and in pairs of two ways.
 * All identifiers are made up or published as examples.
 */
import type { RedactedKind } from '../../../orchestrator/privacy/identifier.ts'

export interface Evasion {
  readonly kind: EvadedKind
  /** The ways of writing, for the failure's message. */
  readonly way: string
  readonly text: string
  /** Where the identifier stands in the text. */
  readonly start: number
  readonly end: number
}

export type EvadedKind = 'email' | 'card' | 'iban' | 'phone' | 'ipv4' | 'ipv6' | 'custom'

export const redactedKindOf: Readonly<Record<EvadedKind, RedactedKind>> = {
  email: 'email',
  card: 'card',
  iban: 'iban',
  phone: 'phone',
  ipv4: 'ip',
  ipv6: 'ip',
  custom: 'custom',
}

/** What the operator's own pattern of the corpus matches. */
export const customPattern = { name: 'case', pattern: /CASE-\d{6}(?!\d)/u }

const identifiers: Readonly<Record<EvadedKind, readonly string[]>> = {
  email: ['anna.schmidt@example.com', 'li_wei88@mail.example.cn', 'joao+news@exemplo.com.br', 'OBRIEN@EXAMPLE.IE'],
  card: ['4111 1111 1111 1111', '5555555555554444', '3782-822463-10005', '6200000000000005'],
  iban: ['DE89 3704 0044 0532 0130 00', 'GB29NWBK60161331926819', 'FR14 2004 1010 0505 0001 3M02 606'],
  phone: ['+49 30 1234567', '+1 (617) 253-1000', '+8613812345678', '0171 2345678', '06.12.34.56.78', '415-392-4000'],
  ipv4: ['192.168.1.10', '203.0.113.199', '8.8.8.8'],
  ipv6: ['2001:db8::8a2e:370:7334', 'fe80::1ff:fe23:4567:890a', '::ffff:192.0.2.128'],
  custom: ['CASE-123456', 'CASE-900017'],
}

/** Nothing that a number or a word goes on with. */
const surroundings: readonly (readonly [before: string, after: string])[] = [
  ['', ''],
  ['I wrote “', '” on the form.'],
  ['我的资料是：', '，谢谢。'],
  ['Вот данные: ', ', спасибо!\nИ ещё строка.'],
  ['It is **', '** or so.'],
  ['> _', '_'],
]

/** In the order in which they can be applied to one identifier. */
const phases = ['groups', 'characters', 'signs', 'insertions', 'escapes'] as const
type Phase = (typeof phases)[number]

interface Way {
  readonly name: string
  readonly phase: Phase
  readonly kinds: readonly EvadedKind[]
  write(identifier: string): string
}

const all: readonly EvadedKind[] = ['email', 'card', 'iban', 'phone', 'ipv4', 'ipv6', 'custom']
const numbers: readonly EvadedKind[] = ['card', 'phone', 'ipv4', 'custom']

function way(phase: Phase, name: string, kinds: readonly EvadedKind[], write: (identifier: string) => string): Way {
  return { name, phase, kinds, write }
}

/** With a character between all that are there, and with one in the middle. */
function inserting(name: string, inserted: string): Way[] {
  return [
    way('insertions', `${name} everywhere`, all, (text) => [...text].join(inserted)),
    way('insertions', `${name} once`, all, (text) => [...text].toSpliced(5, 0, inserted).join('')),
  ]
}

function replacing(
  phase: Phase,
  name: string,
  kinds: readonly EvadedKind[],
  pattern: RegExp,
  by: (found: string) => string,
): Way {
  return way(phase, name, kinds, (text) => text.replace(pattern, by))
}

function digitsFrom(name: string, zero: number): Way {
  return replacing('characters', `${name} digits`, [...numbers, 'iban', 'ipv6'], /\d/g, (digit) =>
    String.fromCodePoint(zero + Number(digit)),
  )
}

function lettersFrom(name: string, capital: number, small: number): Way {
  return replacing('characters', `${name} letters`, ['email', 'iban', 'ipv6', 'custom'], /[A-Za-z]/g, (letter) =>
    String.fromCodePoint(letter < 'a' ? capital + letter.charCodeAt(0) - 0x41 : small + letter.charCodeAt(0) - 0x61),
  )
}

/** Cards and accounts in their groups, with something else between them. */
function grouped(separator: string): Way {
  return way('groups', `groups with ${JSON.stringify(separator)}`, ['card', 'iban'], (text) =>
    groupsOf(text).join(separator),
  )
}

function groupsOf(text: string): string[] {
  const compact = text.replace(/[ -]/g, '')
  const sizes = compact.startsWith('37') ? [4, 6, 5] : undefined
  const groups: string[] = []
  for (let at = 0; at < compact.length; ) {
    const size = sizes?.[groups.length] ?? 4
    groups.push(compact.slice(at, at + size))
    at += size
  }
  return groups
}

const invisibles: readonly (readonly [name: string, character: string])[] = [
  ['zero-width space', '\u200b'],
  ['soft hyphen', '\u00ad'],
  ['word joiner', '\u2060'],
  ['byte order mark', '\ufeff'],
  ['right-to-left mark', '\u200f'],
  ['embedding', '\u202a'],
  ['isolate', '\u2068'],
  ['zero-width joiner', '\u200d'],
  ['zero-width non-joiner', '\u200c'],
  ['grapheme joiner', '\u034f'],
  ['invisible times', '\u2062'],
  ['variation selector', '\ufe0f'],
  ['supplementary variation selector', '\u{e0100}'],
  ['tag', '\u{e0061}'],
  ['annotation', '\ufff9'],
  ['NUL', '\0'],
  ['backspace', '\b'],
  ['DEL', '\x7f'],
  ['C1 control', '\x9f'],
  ['three at once', '\u200b\u00ad\u2060'],
]

const cyrillic: Readonly<Record<string, string>> = { a: 'а', e: 'е', o: 'о', A: 'А', B: 'В', E: 'Е' }

const ways: readonly Way[] = [
  ...invisibles.flatMap(([name, character]) => inserting(name, character)),
  way('insertions', 'stroked through', all, (text) => text.replace(/[^\s]/gu, '$&\u0336')),
  way('insertions', 'underlined', all, (text) => text.replace(/[^\s]/gu, '$&\u0332')),
  replacing('insertions', 'keycaps', numbers, /\d/g, (digit) => `${digit}\ufe0f\u20e3`),
  replacing('insertions', 'accents on letters', ['email', 'iban'], /[a-z]/gi, (letter) => `${letter}\u0301`),
  ...(
    [
      ['Arabic-Indic', 0x660],
      ['Persian', 0x6f0],
      ['Devanagari', 0x966],
      ['Gujarati', 0xae6],
      ['Tamil', 0xbe6],
      ['Khmer', 0x17e0],
      ['Tibetan', 0xf20],
      ['Mongolian', 0x1810],
      ['Adlam', 0x1e950],
      ['full-width', 0xff10],
      ['mathematical', 0x1d7ce],
      ['monospace', 0x1d7f6],
      ['segmented', 0x1fbf0],
      ['subscript', 0x2080],
    ] as const
  ).map(([name, zero]) => digitsFrom(name, zero)),
  replacing('characters', 'circled digits', numbers, /\d/g, (digit) =>
    digit === '0' ? '\u24ea' : String.fromCodePoint(0x245f + Number(digit)),
  ),
  lettersFrom('full-width', 0xff21, 0xff41),
  lettersFrom('mathematical', 0x1d400, 0x1d41a),
  lettersFrom('circled', 0x24b6, 0x24d0),
  replacing('characters', 'all full-width', all, /[!-~]/g, (one) => String.fromCharCode(one.charCodeAt(0) + 0xfee0)),
  replacing('characters', 'Cyrillic look-alikes', ['email'], /[aeo]/g, (letter) => cyrillic[letter] ?? letter),
  replacing('characters', 'Cyrillic capitals', ['iban'], /[ABE]/g, (letter) => cyrillic[letter] ?? letter),
  way('characters', 'decomposed', ['email'], (text) => text.replace('a', 'ä').normalize('NFD')),
  ...['  ', '\n', '\r\n', '\t', '/', '_', '·', ',', ', ', '.', ' - ', ' / ', '|', ' | ', '** **', '` `', '•'].map(
    grouped,
  ),
  way('groups', 'pairs', ['card'], (text) => (text.replace(/\D/g, '').match(/\d\d?/g) ?? []).join(' ')),
  way('groups', 'one by one', ['card'], (text) => text.replace(/\D/g, '').split('').join(' ')),
  way('groups', 'two lines', ['card', 'iban'], (text) => {
    const groups = groupsOf(text)
    return `${groups.slice(0, 2).join(' ')}\n${groups.slice(2).join(' ')}`
  }),
  ...['\u00a0', '\u2009', '\u202f', '\u3000', '\u2007', '\u205f'].map((space) =>
    replacing('signs', `space ${space.charCodeAt(0).toString(16)}`, ['card', 'iban', 'phone'], / /g, () => space),
  ),
  ...['\u2010', '\u2011', '\u2013', '\u2014', '\u2212', '\uff0d', '\ufe63'].map((dash) =>
    replacing('signs', `dash ${dash}`, ['card', 'phone', 'custom'], /-/g, () => dash),
  ),
  ...['。', '｡', '．', '﹒', '․', '·', '•'].map((dot) => replacing('signs', `dot ${dot}`, ['ipv4'], /\./g, () => dot)),
  ...['。', '｡', '．', '﹒', '․'].map((dot) => replacing('signs', `dot ${dot}`, ['email'], /(?<=@.*)\./g, () => dot)),
  ...['[.]', '(.)', '(dot)', ' [dot] ', '&#46;', '%2E', '&period;'].map((dot) =>
    replacing('escapes', `dot ${dot}`, ['ipv4', 'email'], /\./g, () => dot),
  ),
  ...['＠', '﹫'].map((at) => replacing('signs', `at ${at}`, ['email'], /@/g, () => at)),
  ...['&#64;', '&#x40;', '&commat;', '%40', '\\u0040', '[at]', '(at)', ' [at] ', ' (at) '].map((at) =>
    replacing('escapes', `at ${at}`, ['email'], /@/g, () => at),
  ),
  ...['：', '﹕', '∶'].map((colon) => replacing('signs', `colon ${colon}`, ['ipv6'], /:/g, () => colon)),
  ...['&nbsp;', '&#160;', '%20', '&thinsp;'].map((space) =>
    replacing('escapes', `space ${space}`, ['card', 'iban', 'phone'], / /g, () => space),
  ),
  replacing('escapes', 'escaped signs', all, /[-_.+@:()]/g, (sign) => `\\${sign}`),
  replacing('signs', 'plus ＋', ['phone'], /\+/g, () => '＋'),
  replacing('escapes', 'plus %2B', ['phone'], /\+/g, () => '%2B'),
]

/** Each in one of the surroundings; every way of writing alone, and with three others that go with it. */
export function evasions(): Evasion[] {
  const made: Evasion[] = []
  for (const kind of all) {
    const usable = ways.filter(({ kinds }) => kinds.includes(kind))
    const doubled = [3, 11, 23].flatMap((step) => usable.flatMap((first, n) => composed(first, usable[n + step])))
    for (const [index, one] of [...usable, ...doubled].entries()) {
      for (const [turn, identifier] of identifiers[kind].entries()) {
        made.push(...placed(kind, one, identifier, surroundings[(index + turn) % surroundings.length]))
      }
    }
  }
  return made
}

function composed(one: Way, other: Way | undefined): Way[] {
  if (other === undefined || one.phase === other.phase) return []
  const [first, second] = phases.indexOf(one.phase) < phases.indexOf(other.phase) ? [one, other] : [other, one]
  return [{ ...second, name: `${first.name}, ${second.name}`, write: (text) => second.write(first.write(text)) }]
}

function placed(
  kind: EvadedKind,
  { name, write }: Way,
  identifier: string,
  [before, after]: readonly [string, string] = ['', ''],
): Evasion[] {
  const written = write(identifier)
  if (written === identifier) return []
  const start = before.length
  return [{ kind, way: `${name}: ${identifier}`, text: before + written + after, start, end: start + written.length }]
}
