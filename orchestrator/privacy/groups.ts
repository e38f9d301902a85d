/** Digits or letters in groups, with what stands between them. One pass over the text; a gap is short. */

export interface Group {
  readonly start: number
  readonly end: number
  /** What is between this group and the one before; undefined where that is no separator, or too long for one. */
  readonly gap: string | undefined
}

/** Separators, line ends and the signs of Markdown, as in `4111** **1111`. */
const separators = /[\s./_·。,:;*`|~-]{1,5}(?=[\p{L}\p{N}])/uy
const gapUnits = 5

/** `pattern` is global, and matches one group. */
export function groupsOf(plain: string, pattern: RegExp): Group[] {
  const groups: Group[] = []
  let end = 0
  for (const { 0: text, index } of plain.matchAll(pattern)) {
    const gap = index - end <= gapUnits ? gapAt(plain, end) : ''
    const isBeside = groups.length > 0 && gap !== '' && gap.length === index - end
    end = index + text.length
    groups.push({ start: index, end, gap: isBeside ? gap : undefined })
  }
  return groups
}

/** The separators at a place, up to a letter or digit; empty where there are none, or too many. */
export function gapAt(plain: string, at: number): string {
  separators.lastIndex = at
  return separators.exec(plain)?.[0] ?? ''
}

export function isPlainGap(gap: string | undefined): boolean {
  return gap === ' ' || gap === '-' || gap === '.'
}

export function sizeOf(group: Group | undefined): number {
  return group === undefined ? 0 : group.end - group.start
}

/**
 * Whether the sizes of the groups from `first` to `last` are of a shape, all of them are separated alike, and no further
 * group continues them: that would be a list or a table of numbers.
 */
export function isRegular(groups: readonly Group[], first: number, last: number, shape: RegExp): boolean {
  const inside = groups.slice(first, last + 1)
  const gaps = new Set(inside.slice(1).map(({ gap }) => gapKey(gap)))
  if (gaps.size !== 1 || !shape.test(inside.map(sizeOf).map(shapeSign).join(''))) return false
  const size = sizeOf(groups[first])
  // After spaces and line ends a number of another size may be an expiry date; after a comma it is one of the list.
  const isContinued = (group: Group | undefined, gap: string | undefined) =>
    gap !== undefined && gaps.has(gapKey(gap)) && (sizeOf(group) === size || gapKey(gap) === ',')
  return !isContinued(groups[first - 1], groups[first]?.gap) && !isContinued(groups[last + 1], groups[last + 1]?.gap)
}

function shapeSign(size: number): string {
  return size < 10 ? String(size) : 'x'
}

/** A gap without its spaces, line ends and signs of emphasis. */
export function gapKey(gap: string | undefined): string {
  return (gap ?? '').replace(/[\s*_`~]+/g, '')
}
