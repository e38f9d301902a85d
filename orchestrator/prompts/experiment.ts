/**
 * Which side of an experiment a session is on: by a hash of both names, so that every node says the same, always, and two
 * experiments do not share their halves. Other weights move some sessions to another side.
 */
import { createHash } from 'node:crypto'

export interface Experiment {
  readonly name: string
  readonly flag: string
  readonly channels: ReadonlySet<string> | 'all'
  /** In the order of the file; the sum of their weights is above 0. */
  readonly variants: readonly Variant[]
}

export interface Variant {
  readonly name: string
  readonly version: number
  readonly weight: number
}

export function takesPart(experiment: Experiment, channel: string | undefined): boolean {
  if (experiment.channels === 'all') return true
  return channel !== undefined && experiment.channels.has(channel)
}

export function variantFor({ name, variants }: Experiment, prompt: string, session: string): Variant {
  const digest = createHash('sha256')
    .update(JSON.stringify([prompt, name, session]))
    .digest()
  const total = variants.reduce((sum, { weight }) => sum + weight, 0)
  // 48 bits are even enough, and exact in a double.
  let left = (digest.readUIntBE(0, 6) / 2 ** 48) * total
  for (const variant of variants) {
    if (left < variant.weight) return variant
    left -= variant.weight
  }
  throw new Error(`unable to choose a variant of ${name}: its weights are all 0`)
}
