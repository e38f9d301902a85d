import { build, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { Measured, RunResult, SeriesPoint } from '../../load/tester/result.ts'
import { judgeSlos, parseSlo } from '../../load/tester/slo.ts'

export interface SampleOptions {
  readonly seed?: number
  readonly name?: string
  /** What every time is multiplied by. */
  readonly slowness?: number
  readonly seconds?: number
  readonly questionsPerSecond?: number
  readonly faults?: RunResult['faults']
  readonly driver?: Partial<RunResult['driver']>
  readonly slos?: readonly string[]
}

const sloTexts = ['ttft<800ms@99%', 'gap<=200ms@p99', 'e2e<30s']

/** A run as one of the tester's might be: the same for the same seed, its histograms really recorded. */
export function sampleRun(options: SampleOptions = {}): RunResult {
  const { seed = 1, seconds = 120, questionsPerSecond = 40, slowness = 1, faults = [] } = options
  const random = randomFrom(seed)
  const series = sampleSeries({ random, seconds, questionsPerSecond, slowness, faults })
  const sumOf = (key: 'questions' | 'completed' | 'failed' | 'deltas' | 'bytes' | 'killed' | 'resumed') =>
    series.reduce((sum, point) => sum + point[key], 0)
  const measured = sampleMeasures(random, slowness, sumOf('completed'), sumOf('resumed'))
  const completed = sumOf('completed')
  return {
    version: 1,
    name: options.name ?? 'arrivals of an evening',
    startedMs: Date.UTC(2026, 4, 1, 18, 30),
    durationMs: seconds * 1000,
    stoppedBy: 'end',
    machine: { cpu: 'Sample CPU 3.0 GHz', cores: 16, node: 'v24.21.0' },
    options: {
      url: 'ws://127.0.0.1:8080/v1/socket',
      rate: questionsPerSecond,
      sockets: 2000,
      kill: '0.2/s',
      verify: true,
    },
    counts: {
      sessions: 2000,
      questions: sumOf('questions'),
      completed,
      failed: sumOf('failed'),
      cancelled: Math.round(completed / 90),
      unfinished: Math.max(0, sumOf('questions') - completed - sumOf('failed')),
      sockets: 2000 + sumOf('killed'),
      killed: sumOf('killed'),
      lost: 3,
      resumed: sumOf('resumed'),
      resent: 12,
      restarted: 4,
      deltas: sumOf('deltas'),
      frames: sumOf('deltas') + completed * 4,
      bytes: sumOf('bytes'),
      outputTokens: Math.round(sumOf('deltas') * 1.2),
    },
    refusals: { overloaded: Math.round(14 * slowness), busy: 5 },
    failures: { provider_unavailable: Math.ceil(sumOf('failed') * 0.7), timeout: Math.floor(sumOf('failed') * 0.3) },
    faults: [...faults],
    measures: measured,
    series: { intervalMs: 1000, points: series },
    slos: judgeSlos((options.slos ?? sloTexts).map(parseSlo), measured),
    goodput: { share: 0.974 / slowness, perSecond: (0.974 / slowness) * questionsPerSecond },
    driver: {
      workers: 4,
      loopDelayP99Ms: 3.2,
      cpuShares: [0.41, 0.44, 0.39, 0.42],
      isLimit: false,
      why: '',
      ...options.driver,
    },
  }
}

/** One in which nothing happened. */
export function emptyRun(): RunResult {
  const run = sampleRun({ seconds: 0, slos: [] })
  const counts = { ...run.counts, sessions: 0, sockets: 0, lost: 0, resent: 0, restarted: 0 }
  const goodput = { share: 0, perSecond: 0 }
  return {
    ...run,
    counts,
    goodput,
    options: {},
    refusals: {},
    failures: {},
    measures: {},
    driver: { ...run.driver, cpuShares: [] },
  }
}

/** A measure of exactly these values, in milliseconds. */
export function measuredOf(values: readonly number[]): Measured {
  const histogram = build({ numberOfSignificantValueDigits: 3, useWebAssembly: false })
  for (const ms of values) histogram.recordValue(Math.round(ms * 1000))
  const at = (percentile: number) => histogram.getValueAtPercentile(percentile) / 1000
  return {
    count: values.length,
    meanMs: values.reduce((sum, ms) => sum + ms, 0) / Math.max(1, values.length),
    minMs: values.length === 0 ? 0 : Math.min(...values),
    maxMs: Math.max(0, ...values),
    p50Ms: at(50),
    p90Ms: at(90),
    p95Ms: at(95),
    p99Ms: at(99),
    p999Ms: at(99.9),
    histogram: encodeIntoCompressedBase64(histogram),
  }
}

type Random = () => number

/** Mulberry32: from 0 to 1. */
export function randomFrom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Log-normal about its median, as latencies mostly are. */
function latency(random: Random, medianMs: number, spread: number): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return medianMs * Math.exp(spread * normal)
}

function sampleMeasures(random: Random, slowness: number, answers: number, resumes: number): RunResult['measures'] {
  const some = (count: number, medianMs: number, spread: number) =>
    measuredOf(Array.from({ length: count }, () => latency(random, medianMs * slowness, spread)))
  // One first token in 50 waits for a cold model: the second hump that an average hides.
  const ttft = Array.from({ length: answers }, () =>
    latency(random, random() < 0.02 ? 900 * slowness : 260 * slowness, 0.28),
  )
  return {
    connect: some(2000, 4.1, 0.5),
    open: some(2000, 1.8, 0.4),
    late: some(answers, 0.3, 0.6),
    ttft: measuredOf(ttft),
    gap: some(answers * 10, 21, 0.45),
    tpot: some(answers, 20.6, 0.08),
    e2e: some(answers, 6200, 0.35),
    resume: some(Math.max(1, resumes), 38, 0.6),
  }
}

interface SeriesOptions {
  readonly random: Random
  readonly seconds: number
  readonly questionsPerSecond: number
  readonly slowness: number
  readonly faults: RunResult['faults']
}

function sampleSeries({ random, seconds, questionsPerSecond, slowness, faults }: SeriesOptions): SeriesPoint[] {
  let wrong = faults.reduce((sum, { count }) => sum + count, 0)
  return Array.from({ length: seconds }, (_, second) => {
    const warm = Math.min(1, (second + 1) / 15)
    const streams = Math.round(questionsPerSecond * 6 * slowness * warm * (0.92 + 0.16 * random()))
    const isOutage = second > seconds * 0.6 && second < seconds * 0.65
    const questions = Math.round(questionsPerSecond * warm * (0.8 + 0.4 * random()))
    const faultsNow = second > seconds / 2 && wrong > 0 ? Math.min(wrong, 1) : 0
    wrong -= faultsNow
    const slow = isOutage ? 3 : 1
    const killed = Math.round(8 * random() * warm)
    return {
      atMs: (second + 1) * 1000,
      sockets: Math.round(2000 * warm - (isOutage ? 120 : 0)),
      streams,
      questions,
      completed: Math.round(questions * (isOutage ? 0.6 : 0.985)),
      failed: isOutage ? Math.round(questions * 0.2) : random() < 0.05 ? 1 : 0,
      deltas: Math.round(streams * 47 * (isOutage ? 0.5 : 1)),
      bytes: Math.round(streams * 47 * 180),
      killed,
      resumed: isOutage ? Math.floor(killed / 2) : killed,
      faults: faultsNow,
      ...(second === 0
        ? {}
        : {
            ttftP50Ms: latency(random, 260 * slowness * slow, 0.05),
            ttftP99Ms: latency(random, 640 * slowness * slow, 0.2),
          }),
      ...(second === 0 ? {} : { gapP99Ms: latency(random, 61 * slowness * slow, 0.1) }),
    }
  })
}
