import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js'
import { timeMaxUs } from './bounds.ts'
import { type Measured, type MeasureName, measures } from './result.ts'

export const measureNames = Object.keys(measures) as readonly MeasureName[]

/** Histograms as they travel from a worker to its parent: base64 by measure, those without values left out. */
export type EncodedMeasures = { readonly [Name in MeasureName]?: string }

/** Times by measure, in HDR histograms of microseconds with three digits: they are added up without losing anything. */
export class Measures {
  readonly #histograms = new Map<MeasureName, Histogram>()

  record(name: MeasureName, ms: number): void {
    this.#histogram(name).recordValue(Math.min(timeMaxUs, Math.max(0, Math.round(ms * 1_000))))
  }

  /** Answers what was recorded since the last time, and forgets it. */
  take(): EncodedMeasures {
    const taken: Partial<Record<MeasureName, string>> = {}
    for (const [name, histogram] of this.#histograms) {
      if (histogram.totalCount === 0) continue
      taken[name] = encodeIntoCompressedBase64(histogram)
      histogram.reset()
    }
    return taken
  }

  add(encoded: EncodedMeasures): void {
    for (const name of measureNames) {
      const text = encoded[name]
      if (text !== undefined) this.#histogram(name).add(decodeFromCompressedBase64(text, bucketBits, false))
    }
  }

  count(name: MeasureName): number {
    return this.#histograms.get(name)?.totalCount ?? 0
  }

  /** Undefined where none came. */
  percentileMs(name: MeasureName, percent: number): number | undefined {
    const histogram = this.#histograms.get(name)
    if (histogram === undefined || histogram.totalCount === 0) return undefined
    return histogram.getValueAtPercentile(percent) / 1_000
  }

  measured(): Partial<Record<MeasureName, Measured>> {
    const found: Partial<Record<MeasureName, Measured>> = {}
    for (const [name, histogram] of this.#histograms) {
      if (histogram.totalCount > 0) found[name] = measuredOf(histogram)
    }
    return found
  }

  #histogram(name: MeasureName): Histogram {
    const known = this.#histograms.get(name)
    if (known !== undefined) return known
    const made = build({
      lowestDiscernibleValue: 1,
      highestTrackableValue: timeMaxUs,
      numberOfSignificantValueDigits: 3,
      bitBucketSize: bucketBits,
      autoResize: false,
    })
    this.#histograms.set(name, made)
    return made
  }
}

/** Of one count: no run has more than 4 billion values of one kind. */
const bucketBits = 32

function measuredOf(histogram: Histogram): Measured {
  const at = (percent: number) => histogram.getValueAtPercentile(percent) / 1_000
  return {
    count: histogram.totalCount,
    meanMs: histogram.mean / 1_000,
    minMs: at(0),
    maxMs: histogram.maxValue / 1_000,
    p50Ms: at(50),
    p90Ms: at(90),
    p95Ms: at(95),
    p99Ms: at(99),
    p999Ms: at(99.9),
    histogram: encodeIntoCompressedBase64(histogram),
  }
}
