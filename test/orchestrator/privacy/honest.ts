/**
 * Text without identifiers, made of sentences in many languages and of what looks like an identifier: dates, prices, order
 * numbers, ISBNs, versions, hashes, tables and code. The same seed makes the same text.
 */

type Random = () => number

/** Mulberry32. */
function randomOf(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

type Figure = (random: Random) => string

const digits = (random: Random, count: number) =>
  Array.from({ length: count }, () => Math.floor(random() * 10)).join('')
const between = (random: Random, low: number, high: number) => low + Math.floor(random() * (high - low + 1))
const two = (value: number) => String(value).padStart(2, '0')
const hex = (random: Random, count: number) =>
  Array.from({ length: count }, () => Math.floor(random() * 16).toString(16)).join('')
const many = (random: Random, count: number, separator: string, figure: Figure) =>
  Array.from({ length: count }, () => figure(random)).join(separator)

function isbn(random: Random): string {
  const body = `978${digits(random, 9)}`
  const sum = [...body].reduce((total, digit, index) => total + Number(digit) * (index % 2 === 1 ? 3 : 1), 0)
  return `${body.slice(0, 3)}-${body[3]}-${body.slice(4, 7)}-${body.slice(7)}-${(10 - (sum % 10)) % 10}`
}

const figures: readonly Figure[] = [
  (r) => `${between(r, 1900, 2030)}-${two(between(r, 1, 12))}-${two(between(r, 1, 28))}`,
  (r) => `${two(between(r, 1, 28))}.${two(between(r, 1, 12))}.${between(r, 1950, 2030)}`,
  (r) => `${two(between(r, 1, 12))}/${two(between(r, 1, 28))}/${between(r, 1950, 2030)}`,
  (r) => `${between(r, 1950, 2030)}年${between(r, 1, 12)}月${between(r, 1, 28)}日`,
  (r) => `${two(between(r, 0, 23))}:${two(between(r, 0, 59))}:${two(between(r, 0, 59))}.${digits(r, 3)}`,
  (r) => `2024-03-${two(between(r, 1, 28))}T${two(between(r, 0, 23))}:30:00.${digits(r, 6)}+02:00`,
  (r) => `$${between(r, 1, 999)},${digits(r, 3)}.${digits(r, 2)}`,
  (r) => `${between(r, 1, 999)}.${digits(r, 3)}.${digits(r, 3)},${digits(r, 2)}\u00a0€`,
  (r) => `${between(r, 1, 99)}\u202f${digits(r, 3)}\u202f${digits(r, 3)} zł`,
  (r) => `¥${between(r, 1, 9)},${digits(r, 3)},${digits(r, 3)}`,
  (r) => `No. ${digits(r, between(r, 5, 9))}`,
  (r) => `#${digits(r, 10)}`,
  (r) => `INV-${between(r, 2019, 2026)}-${digits(r, 6)}`,
  (r) => `${digits(r, 3)}-${digits(r, 7)}-${digits(r, 7)}`,
  (r) => `1Z${hex(r, 6).toUpperCase()}${digits(r, 10)}`,
  (r) => `ISBN ${isbn(r)}`,
  (r) => `EAN ${digits(r, 13)}`,
  (r) => `v${between(r, 0, 30)}.${between(r, 0, 99)}.${between(r, 0, 20)}`,
  (r) => `version ${between(r, 1, 9)}.${between(r, 0, 9)}.${between(r, 0, 9)}.${between(r, 0, 999)}`,
  (r) => `${between(r, 0, 99)}.${digits(r, 6)}, -${between(r, 0, 99)}.${digits(r, 6)}`,
  (r) => `0.${digits(r, 16)}`,
  (r) => `${digits(r, 1)}.${digits(r, 12)}e-${between(r, 1, 20)}`,
  (r) => `${between(r, 1, 99)} × ${between(r, 100, 9999)} ÷ ${between(r, 1, 99)} ≈ ${digits(r, 5)}`,
  (r) => `x² + ${digits(r, 2)}x − ${digits(r, 3)} = 0`,
  (r) => `10⁶ m³ or 2¹⁰ bytes¹ ${digits(r, 4)}²`,
  (r) => [hex(r, 8), hex(r, 4), `4${hex(r, 3)}`, `a${hex(r, 3)}`, hex(r, 12)].join('-'),
  (r) => hex(r, 40),
  (r) => hex(r, 64),
  (r) => `0x${hex(r, 8)}`,
  (r) => many(r, 6, ':', (one) => hex(one, 2)),
  (r) => `${between(r, 1, 12)}:${two(between(r, 0, 59))} – ${between(r, 1, 12)}:${two(between(r, 0, 59))}`,
  (r) => `17${digits(r, 11)}`,
  (r) => `id=${between(r, 1, 9)}${digits(r, 18)}`,
  (r) => `${between(r, 1, 9)}0${digits(r, 3)}-${digits(r, 4)}`,
  (r) => `(${between(r, 1, 99)}, ${between(r, 1, 99)}, ${between(r, 1, 99)}, ${between(r, 1, 99)})`,
  (r) => `${between(r, 1, 99)}%20${digits(r, 2)}`,
  (r) => `§ ${between(r, 1, 900)}.${between(r, 1, 9)}.${between(r, 1, 9)}.${between(r, 1, 9)}`,
  (r) => `rgba(${between(r, 0, 255)}, ${between(r, 0, 255)}, ${between(r, 0, 255)}, 0.${digits(r, 1)})`,
  (r) => `| ${many(r, 5, ' | ', (one) => String(between(one, 1, 9999)))} |`,
  (r) => many(r, 6, '\n', (one) => String(between(one, 1000, 9999))),
  (r) => many(r, 8, ', ', (one) => String(between(one, 1, 9999))),
  (r) => many(r, 5, '\t', (one) => `${digits(one, 2)}.${digits(one, 2)}`),
  (r) => many(r, 9, ' ', (one) => String(between(one, 1, 9))),
  (r) => `const a = [${many(r, 6, ', ', (one) => String(between(one, 1000, 99999)))}]`,
  (r) => `if (n @ ${digits(r, 2)} && m[${digits(r, 3)}] > ${digits(r, 5)}) { return '\\u${hex(r, 4)}' }`,
  (r) => `s/(.)\\.${digits(r, 2)}/\\1@\\2/g; printf("%20s %40d", a[.${digits(r, 2)}])`,
  (r) => `😀👩‍💻 ${digits(r, 3)}❤️ ${digits(r, 4)}️⃣`,
  (r) => `①${digits(r, 3)} ②${digits(r, 4)} ③${digits(r, 2)}`,
  (r) => `@user_${digits(r, 4)} and npm:@scope/pkg@${between(r, 1, 20)}.${between(r, 0, 9)}.${between(r, 0, 9)}`,
  (r) => `${digits(r, 5)} Berlin, ${digits(r, 5)} Paris, 〒${digits(r, 3)}-${digits(r, 4)}`,
]

/** `%` is where a figure stands. */
const sentences: readonly string[] = [
  'We will meet on % and talk about %.',
  'Das steht auf Seite % und kostet %, nicht mehr.',
  'Selon le rapport du %, le total est de %.',
  'El valor es %, según la tabla %.',
  'Il risultato è %: vedi anche %.',
  'De waarde is % en blijft %.',
  'Wynik to %, czyli %.',
  'Värdet är % i dag och % i morgon.',
  'O número do pedido é %; o preço, %.',
  'По данным за % получилось %.',
  'Замовлення % коштує %.',
  'Η τιμή είναι % και το σύνολο %.',
  'Değer % olarak ölçüldü (%).',
  'القيمة هي % والمجموع %.',
  'המחיר הוא % והמספר %.',
  'मूल्य % है और योग % है।',
  'ค่าคือ % และผลรวมคือ %',
  '结果是%，合计为%。',
  '値は%で、合計は%です。',
  '값은 %이고 합계는 %입니다.',
  'Giá trị là % và tổng là %.',
  'ราคา%บาท',
  'mục %: %',
  'log: % INFO took %',
]

/** Lines (a figure may have several) without any identifier. */
export function honestTexts(count: number, seed: number): string[] {
  const random = randomOf(seed)
  const figure = () => figures[Math.floor(random() * figures.length)]?.(random) ?? ''
  return Array.from({ length: count }, (_, index) => (sentences[index % sentences.length] ?? '').replace(/%/g, figure))
}
