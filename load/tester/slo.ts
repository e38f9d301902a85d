import { decodeFromCompressedBase64 } from 'hdr-histogram-js'
import { type MeasureName, measures, type RunResult } from './result.ts'

export interface Slo {
  readonly text: string
  readonly measure: MeasureName
  readonly limitMs: number
  readonly wanted: number
}

export interface AnswerTimes {
  readonly ttftMs?: number
  readonly e2eMs?: number
  readonly tpotMs?: number
  readonly gapMs?: number
}

export function parseSlo(text: string): Slo {
  const [, name = '', limit, wanted = '99'] = /^(\w+)<([\d.]+)ms(?:@([\d.]+)%)?$/.exec(text) ?? []
  const measure = Object.keys(measures).find((known): known is MeasureName => known === name)
  if (measure === undefined || limit === undefined)
    throw new Error(`unable to read the SLO "${text}": write ttft<500ms@99%`)
  return { text, measure, limitMs: Number(limit), wanted: Number(wanted) / 100 }
}

export function keepsSlos(slos: readonly Slo[], times: AnswerTimes): boolean {
  const took = { ttft: times.ttftMs, e2e: times.e2eMs, tpot: times.tpotMs, gap: times.gapMs }
  return slos.every(
    ({ measure, limitMs }) => !(measure in took) || (took[measure as keyof typeof took] ?? 0) <= limitMs,
  )
}

export function judgeSlos(slos: readonly Slo[], measured: RunResult['measures']): RunResult['slos'] {
  return slos.map(({ text, measure, limitMs, wanted }) => {
    const histogram = measured[measure]?.histogram
    if (histogram === undefined) return { text, reached: 0, wanted, isMet: false }
    const found = decodeFromCompressedBase64(histogram, 32, false)
    const isMet = found.getValueAtPercentile(100 * wanted) <= limitMs * 1_000
    return { text, reached: isMet ? wanted : 0, wanted, isMet }
  })
}
