/**
 * How telephone numbers are written without a country code, where that alone tells them from other figures.
 *
 * Nine digits in groups of three are a number of anything, so a national number is one only by a form that nothing else
 * has, and a valid one of its country; or by a word before it that says what it is.
 */
import type { CountryCode } from 'libphonenumber-js/core'

/** Countries whose national numbers begin with a 0 that is not dialled from abroad … */
export const trunkCountries: readonly CountryCode[] = [
  ...([
    'DE',
    'GB',
    'FR',
    'NL',
    'JP',
    'SE',
    'IN',
    'CN',
    'AT',
    'CH',
    'BE',
    'AR',
    'BR',
    'AU',
    'NZ',
    'TR',
    'SA',
    'EG',
  ] as const),
  ...(['AE', 'KR', 'ZA', 'IE', 'FI', 'UA'] as const),
]
/** … or with one that is. */
export const zeroCountries: readonly CountryCode[] = ['IT']

/** Mobile numbers with their 0 and without anything in between: what else has 10 to 12 digits seldom begins so. */
export const compactTrunk = /^(?:0[789]0\d{8}|07\d{9}|0[67]\d{8}|01[567]\d{8,9}|05\d{8}|01[0125]\d{8,9}|06\d{8})$/

export interface Format {
  readonly pattern: RegExp
  readonly countries: readonly CountryCode[]
  /** Dialled before the number, and no part of it. */
  readonly prefix: string
}

/** Sticky, each for numbers without a leading 0. */
export const formats: readonly Format[] = [
  format(
    ['US', 'CA'],
    /(?:1[ .-]?)?(?:\([2-9]\d\d\) {0,2}|[2-9]\d\d(?: {1,2}|[.·_-]))[2-9]\d\d(?: {1,2}|[.·_-])\d{4}/y,
    '1',
  ),
  format(['BR'], /(?:\([1-9]\d\) ?|[1-9]\d )(?:9\d{4}|[2-5]\d{3})[-.]\d{4}|\([1-9]\d\) ?9 ?\d{4} \d{4}/y),
  format(['ES'], /[67]\d\d(?: \d\d){3}|[89]\d \d{3} \d\d \d\d|[6-9]\d\d-\d{3}-\d{3}/y),
  format(['PL'], /[4-8]\d\d-\d{3}-\d{3}|(?:\([1-9]\d\)|[1-9]\d) \d{3}[ -]\d\d[ -]\d\d/y),
  format(['IT'], /3\d\d[ ./-](?:\d{3}[ .-]?\d{4}|\d{3}[ .-]?\d{3}|\d\d[ .-]\d\d[ .-]\d{3})/y),
  format(['IN'], /[6-9]\d{4}[ -]\d{5}/y),
  format(['CN'], /1[3-9]\d[ -]?\d{4}[ -]?\d{4}/y),
  format(
    ['RU', 'KZ'],
    /8[ -]?\([3489]\d\d\) ?\d{3}[ -]?\d\d[ -]?\d\d|8[ -][3489]\d\d[ -]\d{3}[ -]\d\d[ -]?\d\d|89\d{9}/y,
    '8',
  ),
  format(['RU'], /\([3489]\d\d\) ?\d{3}-\d\d-\d\d/y),
]

function format(countries: readonly CountryCode[], pattern: RegExp, prefix = ''): Format {
  return { countries, pattern, prefix }
}

/** A day, in the orders in which it is written with figures. */
export const dateLike = /^(?:\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d\d(?![./-]\d))|\d{4}([./-])\d{1,2}\2\d{1,2}(?!\d))/

const nouns = [
  'phone|telephone|tel|mobile|cell|cellphone|landline|fax|whatsapp|hotline|helpline',
  'telefon|telefonnummer|handy|handynummer|mobil|mobilnummer|rufnummer|durchwahl',
  'téléphone|portable|tél|fixe|teléfono|telefono|móvil|movil|celular|telefone|telemóvel|telemovel|cellulare|telefoon|mobiel|gsm',
  'telefonnr|telefonu|komórka|komorka|kom|mobilen|телефон|телефона|телефону|тел|моб|мобильный|факс|номер телефона',
  'هاتف|الهاتف|جوال|الجوال|موبايل|رقم الهاتف|फ़ोन|फोन|मोबाइल|नंबर|טלפון|โทร|telepon',
]
/** Written without a space before what they name. */
const clinging = '电话|手机|联系方式|電話番号|電話|携帯|手機|전화|휴대폰|연락처'
const verbs = '(?:call|text|ring|dial|reach|phone)(?: (?:me|us|him|her|them))?(?: (?:at|on|back on|back at|under))?'
const fillers =
  'no|nr|num|number|nummer|núm|numéro|número|numero|nº|n°|№|is|ist|est|es|è|jest|är|at|on|unter|am|au|al|является|是|は|は、'

/** Ends right before the number: a word for a telephone, then little more than punctuation. */
export const cue = new RegExp(
  `(?:(?<![\\p{L}\\p{N}])(?:${nouns.join('|')}|${verbs})(?![\\p{L}\\p{N}])|(?:${clinging}))` +
    `(?:[\\s.:=#()"'*_-]{0,3}(?:${fillers})(?![a-z]))?[\\s.:=#()"'*_-]{0,3}$`,
  'iu',
)
/** How far before a number its cue begins, in UTF-16 units. */
export const cueUnits = 32
