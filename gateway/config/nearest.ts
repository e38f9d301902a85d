/** The known name that a misspelt one was probably meant to be. */

/** A longer name is not compared: the cost of a comparison grows with its length. */
const NAME_MAX_LENGTH = 64

/** Edits (insert, remove, replace one character) from one name to another. */
const editDistance = (from: string, to: string): number => {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = (previous[column - 1] ?? 0) + (from[row - 1] === to[column - 1] ? 0 : 1)
      current.push(Math.min(replaced, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[to.length] ?? 0
}

/**
 * The one of `known` that is at most `editsMax` edits away and nearest, the first of equals; undefined when none is.
 * `spell` makes both sides comparable, for example by ignoring case.
 */
export const nearestName = (
  name: string,
  known: readonly string[],
  editsMax: number,
  spell: (name: string) => string = (spelt) => spelt,
): string | undefined => {
  if (name.length > NAME_MAX_LENGTH) return undefined
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const candidate of known) {
    const edits = editDistance(spell(name), spell(candidate))
    if (edits <= editsMax && (best === undefined || edits < best.edits)) best = { name: candidate, edits }
  }
  return best?.name
}
