/**
 * What a run of the load tester found, as it is written to a file: everything that reports and comparisons are made of.
 * Times are in milliseconds, shares from 0 to 1.
 */
import { z } from 'zod'

/** What is measured of a run, in the order in which it is told. `formula` is what is shown with the number. */
export const measures = {
  connect: { name: 'Connect', formula: 'welcome received − dialing began' },
  open: { name: 'Open', formula: 'session.opened received − session.open sent' },
  late: { name: 'Sent late', formula: 'question sent − its time by the plan (open loop)' },
  ttft: {
    name: 'Time to first token',
    formula: 'first text received − question due (open loop: its time by the plan; closed loop: when it was sent)',
  },
  gap: { name: 'Gap between deltas', formula: 'delta received − the delta before it, of one answer on one socket' },
  tpot: { name: 'Time per output token', formula: '(last text − first text) ÷ (output tokens − 1)' },
  e2e: { name: 'End to end', formula: 'terminal record received − question due' },
  resume: { name: 'Resume', formula: 'first of what was missed received − dialing began' },
} as const

export type MeasureName = keyof typeof measures

const share = z.number().min(0).max(1)
const count = z.int().min(0)
const ms = z.number().min(0)

const measured = z.object({
  count,
  meanMs: ms,
  minMs: ms,
  maxMs: ms,
  p50Ms: ms,
  p90Ms: ms,
  p95Ms: ms,
  p99Ms: ms,
  p999Ms: ms,
  /** The whole distribution in microseconds: an HDR histogram, V2 compressed, base64 (hdrhistogram.org). */
  histogram: z.string(),
})

/** One interval of the run. Counts are of this interval; `sockets` and `streams` are at its end. */
const point = z.object({
  atMs: ms,
  sockets: count,
  streams: count,
  questions: count,
  completed: count,
  failed: count,
  deltas: count,
  bytes: count,
  killed: count,
  resumed: count,
  faults: count,
  /** Absent where none came. */
  ttftP50Ms: ms.optional(),
  ttftP99Ms: ms.optional(),
  gapP99Ms: ms.optional(),
})

export const runResult = z.object({
  version: z.literal(1),
  /** What the run is called; default: the source and the time. */
  name: z.string(),
  /** Unix time. */
  startedMs: ms,
  durationMs: ms,
  /** `end`: by its plan; `signal`: the operator; `faults`: too many wrong answers. */
  stoppedBy: z.enum(['end', 'signal', 'faults']),
  machine: z.object({ cpu: z.string(), cores: count, node: z.string() }),
  /** As on the command line, without secrets. */
  options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  counts: z.object({
    sessions: count,
    questions: count,
    completed: count,
    failed: count,
    cancelled: count,
    /** Questions without an end when the run was over. */
    unfinished: count,
    sockets: count,
    killed: count,
    /** Sockets that ended otherwise than by our hand. */
    lost: count,
    resumed: count,
    resent: count,
    restarted: count,
    deltas: count,
    frames: count,
    bytes: count,
    outputTokens: count,
  }),
  /** By `kind` of the error frame or the terminal record. */
  refusals: z.record(z.string(), count),
  failures: z.record(z.string(), count),
  /** Wrong answers: what was checked and did not hold. At most some examples of each. */
  faults: z.array(z.object({ check: z.string(), count, examples: z.array(z.string()) })),
  /** Those that came up. */
  measures: z.partialRecord(z.enum(Object.keys(measures) as [MeasureName, ...MeasureName[]]), measured),
  series: z.object({ intervalMs: ms, points: z.array(point) }),
  slos: z.array(z.object({ text: z.string(), reached: share, wanted: share, isMet: z.boolean() })),
  /** Questions that ended as completed and kept each SLO on a single answer, of all that were due and not cancelled by the plan. */
  goodput: z.object({ share, perSecond: z.number().min(0) }),
  /** The tester's own state: whether it, not the server, was the limit. */
  driver: z.object({
    workers: count,
    loopDelayP99Ms: ms,
    /** CPU of each worker, of one processor. */
    cpuShares: z.array(z.number().min(0)),
    isLimit: z.boolean(),
    /** Why it was, for a person; empty otherwise. */
    why: z.string(),
  }),
})

export type RunResult = z.infer<typeof runResult>
export type Measured = z.infer<typeof measured>
export type SeriesPoint = z.infer<typeof point>
