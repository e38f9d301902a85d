/**
 * Variables that nobody reads. A misspelt limit would otherwise be its default without a word.
 *
 * Kubernetes describes every service of a namespace to every pod in variables of its own (`SLUICE_SERVICE_HOST`,
 * `SLUICE_PORT_8080_TCP` for a service named `sluice`); those are not the operator's misspellings and are passed over.
 */
import { nearestName } from './nearest.ts'
import { isServiceLink } from './variable.ts'

const PREFIX = 'SLUICE_'
const TEST_PREFIX = 'SLUICE_TEST_'
/** Beyond so many edits a name is another name, not a misspelling. */
const EDITS_MAX_COUNT = 4
/** So much of a name is told, in characters. */
const SHOWN_LENGTH = 64

const serviceVariable = /_SERVICE_(?:HOST|PORT(?:_[A-Z0-9_]+)?)$|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?$/

const isServiceVariable = (name: string, value: string): boolean => serviceVariable.test(name) || isServiceLink(value)

/** PORT is meant by SLUICE_PORT as much as by POTR. */
const prefixed = (name: string): string => (name.startsWith(PREFIX) ? name : PREFIX + name)

/** A problem for each variable in `settings` that begins with SLUICE_ and is not `known`. */
export const findUnknownVariables = (settings: ReadonlyMap<string, string>, known: readonly string[]): string[] => {
  const problems: string[] = []
  for (const [name, value] of settings) {
    if (!name.startsWith(PREFIX) || name.startsWith(TEST_PREFIX) || known.includes(name)) continue
    if (isServiceVariable(name, value)) continue
    const meant = nearestName(name, known, EDITS_MAX_COUNT, prefixed)
    const advice = meant === undefined ? 'unset it' : `did you mean ${meant}?`
    problems.push(`${name.slice(0, SHOWN_LENGTH)} is not a variable of Sluice; ${advice}`)
  }
  return problems
}
