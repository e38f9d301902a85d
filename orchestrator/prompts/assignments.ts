/**
 * Who is answered with which prompt. A rule fits when all that it names is so; of several that fit, the one with the more
 * specific name counts: user before channel before project before tenant, compared in this order. A rule that names
 * nothing is for everybody.
 */
import type { Assignment } from './prompt-files.ts'

export interface Asking {
  readonly tenant: string
  readonly subject: string
  readonly project?: string
  readonly channel?: string
}

const weights = { user: 8, channel: 4, project: 2, tenant: 1 } as const
const names = ['user', 'channel', 'project', 'tenant'] as const

/** Rules in the order in which they are tried. Throws when two of them are for exactly the same. */
export function orderAssignments(rules: readonly Assignment[]): readonly Assignment[] {
  const seen = new Set<string>()
  for (const rule of rules) {
    const who = describe(rule)
    if (seen.has(who)) throw new Error(`two rules for ${who}; only one can count`)
    seen.add(who)
  }
  return rules.toSorted((one, other) => specificity(other) - specificity(one))
}

/** `rules` as `orderAssignments` answers them; undefined when none fits. */
export function assignmentFor(rules: readonly Assignment[], asking: Asking): Assignment | undefined {
  const { subject: user, ...others } = asking
  const who = { user, ...others }
  return rules.find((rule) => names.every((name) => rule[name] === undefined || rule[name] === who[name]))
}

/** Each name weighs more than all less specific ones together. */
function specificity(rule: Assignment): number {
  return names.reduce((sum, name) => sum + (rule[name] === undefined ? 0 : weights[name]), 0)
}

function describe(rule: Assignment): string {
  const named = names.filter((name) => rule[name] !== undefined).map((name) => `${name} ${rule[name]}`)
  return named.length === 0 ? 'everybody' : named.join(', ')
}
