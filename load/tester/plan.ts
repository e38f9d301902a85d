/** What a run is to do: read from the command line, checked, and handed to every worker as it stands. */
import { z } from 'zod'
import { workersMax } from './bounds.ts'

const ms = z
  .number()
  .min(0)
  .max(7 * 24 * 3_600_000)
const share = z.number().min(0).max(1)
const count = z.int().min(0).max(10_000_000)
const oneOrMore = z.int().min(1).max(10_000_000)

export const sourceNames = ['made', 'azure', 'mooncake', 'sharegpt', 'mt-bench', 'recording'] as const
export type SourceName = (typeof sourceNames)[number]

/** Sources whose questions have times of their own. */
export const timedSources: ReadonlySet<SourceName> = new Set(['azure', 'mooncake', 'recording'])

/** Where each socket's token comes from. */
const tokens = z.discriminatedUnion('from', [
  z.object({
    from: z.literal('secret'),
    /** Of HS256. */
    secret: z.string().min(1),
    tenant: z.string().optional(),
    project: z.string().optional(),
    scope: z.string().optional(),
    issuer: z.string().optional(),
    audience: z.string().optional(),
    /** How long a token lives; it is refreshed on the live socket after half of that. */
    lifeMs: ms.min(1_000),
  }),
  /** `GET url?subject=…` answers `{"token"}`. */
  z.object({ from: z.literal('url'), url: z.url() }),
])

export const runPlan = z.object({
  name: z.string().min(1).max(200),
  /** Distinguishes this run's sessions and subjects from those of other runs on the same gateway. */
  runId: z.string().regex(/^[A-Za-z0-9_-]{1,24}$/),
  /** ws://…/v1/socket; with several each dial takes one by chance. */
  urls: z.array(z.url({ protocol: /^wss?$/ })).min(1),
  source: z.enum(sourceNames),
  /** Of every source but `made`. */
  file: z.string().optional(),
  /** `made`: questions of each session. */
  questions: oneOrMore,
  /** `made`: tokens of each question. */
  inputTokens: oneOrMore,
  /** How long answers are to be where the source does not say; absent: as they come. */
  outputTokens: oneOrMore.optional(),
  /** Whether the length is asked for by the model server's directive, a line of the question. */
  directives: z.boolean(),
  model: z.string().min(1).max(128).optional(),
  tokens,
  workers: z.int().min(1).max(workersMax),
  arrivals: z.enum(['open', 'closed']),
  /** Closed loop: sockets at once, each with one session after the other. */
  sockets: oneOrMore,
  /** At most so many sessions; absent: as many as the source has, or until the run is over. */
  sessions: oneOrMore.optional(),
  /** Open loop, for sources without times: sessions that begin each second, by chance (Poisson). */
  ratePerSecond: z.number().positive().max(100_000),
  /** The trace's time goes so many times faster. */
  speed: z.number().positive().max(100_000),
  /** The sockets, or the rate, rise over this long. */
  rampMs: ms,
  /** After it nothing more is asked; absent: until the sessions are over. */
  durationMs: ms.positive().optional(),
  /** How long answers that still run then may take. */
  graceMs: ms,
  /** How long one answer may take: then its question has failed, and its session ends. */
  patienceMs: ms.positive(),
  /** In the mean, from an answer to the next question. */
  thinkMs: ms,
  /** A socket is cut after about so long, and its user is away for about so long. */
  churn: z.object({ everyMs: ms.positive(), awayMs: ms }).optional(),
  /** Which share of the sockets read no more than so much. */
  slow: z.object({ share, bytesPerSecond: z.int().min(1) }).optional(),
  /** Further sockets that watch each session. */
  watchers: z.int().min(0).max(20),
  /** Which share of the answers is cancelled under way. */
  cancelShare: share,
  /** `text`: each answer must also be the bundled model server's. */
  check: z.enum(['hash', 'text']),
  /** At each session's end its history is read, and must have every question once, with one end. */
  isHistoryChecked: z.boolean(),
  seed: count,
  slos: z.array(z.string()),
  faultsMax: oneOrMore,
  intervalMs: ms.min(100),
})

export type RunPlan = z.infer<typeof runPlan>

/** What a plan has where nothing else is said; the command line's defaults. */
export const planDefaults = {
  source: 'made',
  questions: 5,
  inputTokens: 20,
  directives: true,
  sockets: 10,
  ratePerSecond: 5,
  speed: 1,
  rampMs: 0,
  graceMs: 30_000,
  patienceMs: 600_000,
  thinkMs: 0,
  watchers: 0,
  cancelShare: 0,
  check: 'hash',
  isHistoryChecked: false,
  seed: 1,
  slos: [],
  faultsMax: 100,
  intervalMs: 1_000,
} as const satisfies Partial<RunPlan>
