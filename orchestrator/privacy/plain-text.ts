/**
 * The same text with the digits, spaces, dashes and full-width letters of other scripts as ASCII, unit for unit, so that
 * an identifier is found in it where it stands in the text, and the finders need to know one way of writing only.
 */

const isForeign = /[^\0-\x7f]/
const foreign =
  /[\u0660-\u0669\u06f0-\u06f9\u0966-\u096f\u09e6-\u09ef\u0e50-\u0e59\uff01-\uff5e\u00a0\u2000-\u200a\u202f\u3000\u2010-\u2015\u2212]/g

/** Arabic-Indic, Persian, Devanagari, Bengali and Thai digits. */
const zeros = [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50]

export function plainText(text: string): string {
  return isForeign.test(text) ? text.replace(foreign, toAscii) : text
}

function toAscii(character: string): string {
  const code = character.charCodeAt(0)
  if (code >= 0xff01) return String.fromCharCode(code - 0xfee0)
  if (code === 0x2212 || (code >= 0x2010 && code <= 0x2015)) return '-'
  const zero = zeros.find((first) => code >= first && code <= first + 9)
  return zero === undefined ? ' ' : String(code - zero)
}
