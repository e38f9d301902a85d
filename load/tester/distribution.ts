/** The values of a measure, read from its HDR histogram. */
import { decodeFromCompressedBase64, JsHistogram } from 'hdr-histogram-js'

/** Values that the histogram does not tell apart: those from `fromMs` to `toMs`, less than a thousandth of it wide. */
export interface Step {
  readonly fromMs: number
  readonly toMs: number
  readonly count: number
}

/** Ascending; steps without values are left out. */
export type Distribution = readonly Step[]

const usPerMs = 1000

/**
 * @param histogram V2 compressed, base64, its values in microseconds
 * @throws an Error when it is none.
 */
export function readDistribution(histogram: string): Distribution {
  const decoded = decode(histogram)
  const steps: Step[] = []
  decoded.recordedValuesIterator.reset()
  while (decoded.recordedValuesIterator.hasNext()) {
    const { valueIteratedTo, countAtValueIteratedTo } = decoded.recordedValuesIterator.next()
    steps.push({
      fromMs: decoded.lowestEquivalentValue(valueIteratedTo) / usPerMs,
      toMs: decoded.highestEquivalentValue(valueIteratedTo) / usPerMs,
      count: countAtValueIteratedTo,
    })
  }
  return steps
}

function decode(histogram: string): JsHistogram {
  try {
    const decoded = decodeFromCompressedBase64(histogram)
    if (decoded instanceof JsHistogram) return decoded
  } catch (cause) {
    throw new Error('unable to read a histogram: it is not one of HDR, V2 compressed, in base64', { cause })
  }
  throw new Error('unable to read a histogram: it was decoded by WebAssembly')
}

export function countOf(distribution: Distribution): number {
  return distribution.reduce((sum, { count }) => sum + count, 0)
}

/** The share of values up to the limit, from 0 to 1; 0 of none. Values in the limit's own step count as within. */
export function shareWithin(distribution: Distribution, limitMs: number): number {
  const within = countOf(distribution.filter(({ fromMs }) => fromMs <= limitMs))
  return within / Math.max(1, countOf(distribution))
}
