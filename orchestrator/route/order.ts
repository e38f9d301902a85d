/**
 * In which order a session's answers try the targets of an alias: tier by tier, and within a tier by weighted rendezvous
 * hashing. So a session keeps to its target, whose cache knows its history, on every node and without a table; and when a
 * target is added or taken away only its own share of the sessions moves.
 */
import { createHash } from 'node:crypto'
import type { ModelAlias } from '../policy.ts'

/** The names of the targets, the first to be tried first. One of weight 0 is left out. */
export function orderFor({ targets }: Pick<ModelAlias, 'targets'>, session: string): readonly string[] {
  return targets
    .filter(({ weight }) => weight > 0)
    .map(({ target, tier, weight }) => ({ target, tier, score: -Math.log(share(session, target)) / weight }))
    .sort((a, b) => a.tier - b.tier || a.score - b.score)
    .map(({ target }) => target)
}

/** Even over (0, 1): the same for the same session and target. */
function share(session: string, target: string): number {
  const bytes = createHash('sha256')
    .update(JSON.stringify([session, target]))
    .digest()
  return (bytes.readUIntBE(0, 6) + 0.5) / 2 ** 48
}
