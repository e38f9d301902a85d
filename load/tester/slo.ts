/**
 * Service level objectives, as they are given on the command line: `ttft<500ms@99%` says that 99 % of all first tokens
 * come within 500 ms. `<` and `<=` mean the same: times are kept in a histogram whose steps are wider than the difference.
 */
import { readDistribution, shareWithin } from './distribution.ts'
import { type MeasureName, measures, type RunResult } from './result.ts'

export interface Slo {
  /** As it was given. */
  readonly text: string
  readonly measure: MeasureName
  readonly limitMs: number
  /** The share of values, from 0 to 1, that has to be within the limit. */
  readonly wanted: number
}

/** What one answer took. What is absent did not come up: a gap needs two deltas, a time per token two tokens. */
export interface AnswerTimes {
  readonly ttftMs?: number
  readonly e2eMs?: number
  readonly tpotMs?: number
  /** The greatest one. */
  readonly gapMs?: number
}

type JudgedSlo = RunResult['slos'][number]

const example = 'for example ttft<500ms@99%, gap<=200ms@p99 or e2e<30s'
const defaultWanted = 0.99
const unitsMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000 }

/** @throws an Error that says what is wrong with the text, with an example. */
export function parseSlo(text: string): Slo {
  const [, name = '', sign = '', limit = '', at, share = ''] = /^([^<=>@]*)([<=>]*)([^@]*)(@(.*))?$/s.exec(text) ?? []
  const refuse = (reason: string) => new Error(`unable to read the SLO "${text}": ${reason}; ${example}`)
  const measure = name.trim()
  if (!isMeasure(measure)) throw refuse(`"${measure}" is no measure, there are ${Object.keys(measures).join(', ')}`)
  if (sign !== '<' && sign !== '<=') throw refuse('after the measure comes < or <=')
  const limitMs = limitOf(limit.trim())
  if (limitMs === undefined) throw refuse(`"${limit.trim()}" is no time above 0 with its unit (us, ms, s, m)`)
  const wanted = at === undefined ? defaultWanted : wantedOf(share.trim())
  if (wanted === undefined) throw refuse(`"${share.trim()}" is no share above 0 and up to 100 (99%, p99)`)
  return { text, measure, limitMs, wanted }
}

function isMeasure(name: string): name is MeasureName {
  return Object.hasOwn(measures, name)
}

function limitOf(text: string): number | undefined {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text) ?? []
  const unitMs = Object.hasOwn(unitsMs, unit) ? unitsMs[unit] : undefined
  const limitMs = Number(number) * (unitMs ?? 0)
  return limitMs > 0 ? limitMs : undefined
}

function wantedOf(text: string): number | undefined {
  const [, rank, percent] = /^(?:p(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*%)$/.exec(text) ?? []
  // 99.9 / 100 is a little more than 0.999, which 999 of 1,000 must reach.
  const wanted = Number((Number(rank ?? percent) / 100).toPrecision(12))
  return wanted > 0 && wanted <= 1 ? wanted : undefined
}

/**
 * Whether an answer keeps every SLO that is about single answers (ttft, e2e, tpot, gap); the others are left aside. An answer
 * without a first text or without an end keeps no SLO on them.
 */
export function keepsSlos(slos: readonly Slo[], answer: AnswerTimes): boolean {
  return slos.every(({ measure, limitMs }) => {
    const took = tookMs(measure, answer)
    return took === undefined || took <= limitMs
  })
}

/** Absent where there is nothing to hold against the limit. */
function tookMs(measure: MeasureName, answer: AnswerTimes): number | undefined {
  if (measure === 'ttft') return answer.ttftMs ?? Number.POSITIVE_INFINITY
  if (measure === 'e2e') return answer.e2eMs ?? Number.POSITIVE_INFINITY
  if (measure === 'tpot') return answer.tpotMs
  return measure === 'gap' ? answer.gapMs : undefined
}

/**
 * What share of the measured values kept each SLO. One whose measure never came up is not met: nothing shows that it is.
 *
 * @throws when a histogram cannot be read.
 */
export function judgeSlos(slos: readonly Slo[], measured: RunResult['measures']): JudgedSlo[] {
  return slos.map(({ text, measure, limitMs, wanted }) => {
    const found = measured[measure]
    const reached = found === undefined ? 0 : shareWithin(readDistribution(found.histogram), limitMs)
    return { text, reached, wanted, isMet: reached >= wanted }
  })
}
