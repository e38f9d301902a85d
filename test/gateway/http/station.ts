import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type AuthenticatorDependencies, createAuthenticator } from '../../../gateway/auth/authenticator.ts'
import { Chat, randomId } from '../../../gateway/chat.ts'
import { readConfig } from '../../../gateway/config.ts'
import { createHono, createHttpApp } from '../../../gateway/http/app.ts'
import type { HttpDeps } from '../../../gateway/http/route.ts'
import { Strangers } from '../../../gateway/strangers.ts'
import { chooseTransport } from '../../../gateway/transport/choose-transport.ts'
import { createUsage } from '../../../gateway/usage.ts'
import { type ModelServer, startModelServer } from '../../../load/model-server/server.ts'
import type { Policy } from '../../../orchestrator/policy.ts'
import { loadPrompts } from '../../../orchestrator/prompts/load-prompts.ts'
import { createTurns, systemClock, type TurnOptions } from '../../../orchestrator/turns.ts'
import { Feeds } from '../../../sessions/feeds.ts'
import { createMemoryLog } from '../../../sessions/memory-log.ts'
import type { SessionLog } from '../../../sessions/session-log.ts'
import { asking, fixedPolicy } from '../../support/policy.ts'
import { quietTelemetry } from '../../support/telemetry.ts'

/** The HTTP API on a real server, with real turns over the model server on the memory log. */
export interface Station extends AsyncDisposable {
  /** http://127.0.0.1:PORT */
  readonly url: string
  readonly port: number
  readonly log: SessionLog
  readonly feeds: Feeds
  readonly model: ModelServer
  /** Lines of the log, each with its message. */
  readonly lines: readonly Record<string, unknown>[]
  readonly answered: readonly { readonly route: string; readonly method: string; readonly status: number }[]
  readonly pageDir: string
  /** What hono answers, without middleware and without what answers other methods. */
  readonly routes: readonly { readonly method: string; readonly path: string }[]
  token(subject: string, scope?: string): Promise<string>
  /** `fetch` with a token of `subject` (default `ann`) and JSON for a body. */
  call(path: string, options?: CallOptions): Promise<Response>
}

export interface CallOptions {
  readonly method?: string
  readonly subject?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface StationOptions {
  readonly transport?: 'ws' | 'uws'
  /** SLUICE_… variables. */
  readonly env?: Readonly<Record<string, string>>
  readonly deps?: Partial<HttpDeps>
  readonly turns?: Partial<TurnOptions>
  readonly policy?: (policy: Policy) => Policy
  /** Stands between everything and the log. */
  readonly between?: (log: SessionLog) => SessionLog
  readonly auth?: Partial<AuthenticatorDependencies>
}

const secret = 'a secret of at least thirty-two bytes'
export const jwtEnv = { SLUICE_JWT_SECRET: secret, SLUICE_JWT_ISSUER: '*', SLUICE_JWT_AUDIENCE: '*' }

export async function startStation(options: StationOptions = {}): Promise<Station> {
  const config = configOf(options.env ?? {})
  const memory = createMemoryLog()
  const log = options.between?.(memory) ?? memory
  const feeds = new Feeds(log)
  const model = await startModelServer({ ttftMs: 1 })
  const { log: logger } = quietTelemetry()
  const answering = asking(model.url, systemClock, logger, options.policy)
  const turns = createTurns({
    log,
    ...answering,
    audience: {
      started: (session, token) => feeds.producerStarted(session, token),
      delivered: (session, fence, part, at, text) => feeds.delivered(session, fence, part, at, text),
      stopped: (session, token, isEnded) => feeds.producerStopped(session, token, isEnded),
    },
    telemetry: quietTelemetry().turns,
    logger,
    prompts: loadPrompts(join(import.meta.dirname, '../../../prompts')),
    randomId,
    options: { ...turnOptions, ...options.turns },
  })
  const lines: Record<string, unknown>[] = []
  const answered: { route: string; method: string; status: number }[] = []
  const keep = (fields: object, message: string) => void lines.push({ ...fields, message })
  const authenticator = createAuthenticator(config.auth, {
    nowMs: Date.now,
    reportKeyTrouble: () => undefined,
    ...options.auth,
  })
  const pageDir = mkdtempSync(join(tmpdir(), 'sluice-page-'))
  const deps: HttpDeps = {
    chat: new Chat(log, turns, Date.now, (error) => keep({ err: error }, 'the store failed')),
    feeds,
    log,
    authenticator,
    web: config.web,
    trustedProxies: config.listen.trustedProxies,
    streamsPerSubject: 50,
    requestsPerSecond: 100,
    costFactor: () => 1,
    strangers: new Strangers({
      costFactor: () => 1,
      placesPerAddress: 100,
      workPerSecond: 50,
      nowMs: () => performance.now(),
      report: (refused) => void lines.push({ ...refused, message: 'refused' }),
    }),
    isTls: false,
    pageDir,
    readiness: () => ({ ready: true, reasons: [] }),
    isDraining: () => false,
    usage: createUsage(answering.ledger, fixedPolicy(answering.policy())),
    nodeState: () => ({ sockets: 0, runningTurns: turns.running(), isDraining: false }),
    logger: { debug: keep, info: keep, warn: keep, error: keep },
    nowMs: options.auth?.nowMs ?? Date.now,
    telemetry: { answered: (route, method, status) => void answered.push({ route, method, status }) },
    ...options.deps,
  }
  const create = await chooseTransport(options.transport ?? 'ws', process.env.SLUICE_UWS_PATH, logger)
  const transport = create({
    host: '127.0.0.1',
    port: 0,
    maxFrameBytes: 1024 * 1024,
    beforeAdmit: { frameBytes: 1024, totalBytes: 1024 },
    socketPath: '/v1/socket',
    subprotocol: 'sluice.v1',
    ...createHttpApp(deps),
    accept: (_upgrade, socket) => {
      socket.terminate()
      return { text: nothing, binary: nothing, overLimit: nothing, pong: nothing, alive: nothing, closed: nothing }
    },
    log: { info: nothing, warn: keep, error: keep },
  })
  const { port } = await transport.listen()
  const url = `http://127.0.0.1:${port}`
  const token = async (subject: string, scope?: string) => {
    if (authenticator.mode !== 'development') throw new Error('no development tokens here')
    const made = await authenticator.issueDevelopmentToken(subject, scope === undefined ? {} : { scope })
    if (made.kind === 'invalid') throw new Error(made.message)
    return made.token
  }
  return {
    url,
    port,
    log,
    feeds,
    model,
    lines,
    answered,
    pageDir,
    routes: createHono(deps).routes.filter(({ method }) => method !== 'ALL'),
    token,
    call: async (path, { method, subject = 'ann', body, headers, signal } = {}) =>
      fetch(url + path, {
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          authorization: `Bearer ${await token(subject)}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      }),
    async [Symbol.asyncDispose]() {
      await turns.drain(0)
      await transport.close()
      answering.targets.close()
      await model.close()
      await memory.close()
      await rm(pageDir, { recursive: true })
    },
  }
}

const nothing = () => undefined

function configOf(env: Readonly<Record<string, string>>) {
  const read = readConfig({ PORT: '0', SLUICE_METRICS_PORT: 'off', ...env })
  if (read.kind === 'ok') return read.config
  throw new Error(read.problems.join('\n'))
}

const turnOptions: TurnOptions = {
  promptTokens: 100_000,
  tapeBytes: 1024 * 1024,
  leaseMs: 5_000,
  renewMs: 1_500,
  totalMs: 60_000,
  graceMs: 0,
  takeOver: 'restart',
  whenBusy: 'refuse',
  handsOver: false,
  contentBytes: 128 * 1024,
  runningTurnsMax: 100,
}

/** A JSON object as tests look at it. */
export type Json = Record<string, unknown>

/** The answer's JSON, with its status checked first so that a refusal shows itself. */
export async function jsonOf(response: Response, status = 200): Promise<Json> {
  const text = await response.text()
  if (response.status !== status) throw new Error(`status ${response.status} instead of ${status}: ${text}`)
  // A test looks into it field by field.
  return JSON.parse(text) as Json
}

export async function newSession(station: Station, subject = 'ann'): Promise<string> {
  const made = await jsonOf(await station.call('/v1/sessions', { method: 'POST', subject, body: {} }), 201)
  return String(made.session)
}
