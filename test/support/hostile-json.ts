/** JSON of one mebibyte in shapes that cost the most to parse or to check: what a client may send to hurt a node. */
export const mebibyte = 1024 * 1024

export const hostileValues: readonly (readonly [name: string, value: string])[] = [
  ['arrays one in the other', `${'['.repeat(mebibyte / 2)}${']'.repeat(mebibyte / 2)}`],
  ['objects one in the other', `${'{"a":'.repeat(mebibyte / 6)}1${'}'.repeat(mebibyte / 6)}`],
  ['brackets that nobody closes', '['.repeat(mebibyte)],
  ['an array of zeros', `[${'0,'.repeat(mebibyte / 2)}0]`],
  ['an array of empty objects', `[${'{},'.repeat(mebibyte / 3)}0]`],
  ['an array of empty texts', `[${'"",'.repeat(mebibyte / 3)}0]`],
  ['keys with arrays', object((n) => `"k${n}":[]`)],
  ['keys with numbers', object((n) => `"k${n}":${n}`)],
  ['keys with texts', object((n) => `"k${n}":"v"`)],
  ['keys with null', object((n) => `"k${n}":null`)],
  ['integers as keys', object((n) => `"${n}":0`)],
  ['integers far apart as keys', object((n) => `"${(n * 7_919) % 4_294_967_291}":0`)],
  ['one key again and again', object(() => '"k":0')],
  ['keys that are no keys of metadata', object((n) => `"${n} ü":0`)],
  ['keys written in escapes', object((n) => `"\\u006b${n}":0`)],
  ['__proto__ again and again', object(() => '"__proto__":{}')],
  ['one long key', `{"${'k'.repeat(mebibyte)}":0}`],
  ['one long key of other characters', `{"${'ü'.repeat(mebibyte / 2)}":0}`],
  ['a number of a mebibyte', '1'.repeat(mebibyte)],
  ['a fraction of a mebibyte', `0.${'1'.repeat(mebibyte)}`],
  ['an exponent of a mebibyte', `1e${'0'.repeat(mebibyte)}1`],
  ['numbers of a thousand digits', `[${`${'9'.repeat(1_000)},`.repeat(mebibyte / 1_001)}0]`],
  ['a text of a mebibyte', `"${'x'.repeat(mebibyte)}"`],
  ['a text of characters of three bytes', `"${'語'.repeat(mebibyte / 3)}"`],
  ['a text of escapes', `"${'\\u0041'.repeat(mebibyte / 6)}"`],
  ['a text of control characters', `"${'\\u0000'.repeat(mebibyte / 6)}"`],
  ['a text of escaped quotes', `"${'\\"'.repeat(mebibyte / 2)}"`],
  ['a text of backslashes', `"${'\\\\'.repeat(mebibyte / 2)}"`],
  ['halves of surrogate pairs', `"${'\\ud83d'.repeat(mebibyte / 6)}"`],
  ['a text that nobody ends', `"${'x'.repeat(mebibyte)}`],
  ['white space', `${' '.repeat(mebibyte)}0`],
  ['line ends', `${'\n'.repeat(mebibyte)}0`],
]

/** Each shape in a field that a schema knows, in metadata, in a field that none knows, and alone. */
export const hostileTexts: readonly (readonly [name: string, text: string])[] = hostileValues.flatMap(
  ([name, value]) => [
    [`${name}, in metadata`, `{"type":"session.update","id":"1","session":"s","metadata":${value}}`] as const,
    [
      `${name}, in content`,
      `{"type":"message.send","id":"1","session":"s","messageId":"m","content":${value}}`,
    ] as const,
    [`${name}, in an unknown field`, `{"type":"ping","id":"1","x":${value}}`] as const,
    [`${name}, as the type`, `{"type":${value},"id":"1"}`] as const,
    [`${name}, alone`, value] as const,
  ],
)

function object(entry: (n: number) => string): string {
  const entries: string[] = []
  for (let n = 0, length = 0; length < mebibyte; n++) {
    const one = entry(n)
    entries.push(one)
    length += one.length + 1
  }
  return `{${entries.join(',')}}`
}
