/**
 * Variables that nobody reads. A misspelt limit would otherwise be its default without a word.
 *
 * Kubernetes describes every service of a namespace to every pod in variables of its own (`SLUICE_SERVICE_HOST`,
 * `SLUICE_PORT_8080_TCP` for a service named `sluice`); those are not the operator's misspellings and are passed over.
 */
import { isServiceLink } from './variable.ts'

const PREFIX = 'SLUICE_'
const TEST_PREFIX = 'SLUICE_TEST_'
/** A longer name is not compared: the cost of a comparison grows with its length. */
const NAME_MAX_LENGTH = 64
/** Beyond so many edits a name is another name, not a misspelling. */
const EDITS_MAX_COUNT = 4

const serviceVariable = /_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/

const isServiceVariable = (name: string, value: string): boolean => serviceVariable.test(name) || isServiceLink(value)

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

const nearest = (name: string, known: readonly string[]): string | undefined => {
  if (name.length > NAME_MAX_LENGTH) return undefined
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const candidate of known) {
    // PORT is meant by SLUICE_PORT as much as by POTR.
    const prefixed = candidate.startsWith(PREFIX) ? candidate : PREFIX + candidate
    const edits = editDistance(name, prefixed)
    if (edits <= EDITS_MAX_COUNT && (best === undefined || edits < best.edits)) best = { name: candidate, edits }
  }
  return best?.name
}

/** A problem for each variable in `settings` that begins with SLUICE_ and is not `known`. */
export const findUnknownVariables = (settings: ReadonlyMap<string, string>, known: readonly string[]): string[] => {
  const problems: string[] = []
  for (const [name, value] of settings) {
    if (!name.startsWith(PREFIX) || name.startsWith(TEST_PREFIX) || known.includes(name)) continue
    if (isServiceVariable(name, value)) continue
    const meant = nearest(name, known)
    const advice = meant === undefined ? 'unset it' : `did you mean ${meant}?`
    problems.push(`${name} is not a variable of Sluice; ${advice}`)
  }
  return problems
}
