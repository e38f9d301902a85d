import { readFile } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createMetricsServer } from '../../gateway/telemetry/metrics-server.ts'
import { createTelemetry } from '../../gateway/telemetry/telemetry.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { PatchScript } from '../../sessions/redis/scripts.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { openRedisLog } from '../sessions/redis-bench.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { keptLines, readMetrics, type Station, startStation, until } from './telemetry-station.ts'

/** In every text that a user or a model writes here, and in errors that quote it. */
const secretWord = 'hippopotamus-secret'

describe('telemetry of a gateway at work', () => {
  test('[OBS-1] every metric moves, and no log line or metric has a word of the user or the token', {
    timeout: 60_000,
  }, async () => {
    const store = faultyLog()
    await using station = await startStation({ SLUICE_ANSWER_TOKENS: '100000' }, store.log, withEverything)
    const moved = await watchMetrics(station)

    const session = await drive(station, store, moved)

    const movedShared = await driveShared()
    expect(moved.still().filter((name) => !movedShared.has(name))).toEqual([])
    const body = await station.scrape()
    expect(body).toMatch(/^sluice_build_info\{version="1\.2\.3",node_version="v[\d.]+"\} 1$/m)
    expect(body).toMatch(/^nodejs_eventloop_lag_p99_seconds \S+$/m)
    expect(body).toMatch(/^process_cpu_seconds_total \S+$/m)
    for (const end of ['completed', 'cancelled', 'failed'])
      expect(body).toMatch(new RegExp(`^sluice_turns_ended_total\\{end="${end}",error="[a-z]+"\\} [1-9]`, 'm'))
    for (const how of ['new', 'resumed']) expect(body).toContain(`sluice_session_opens_total{how="${how}"}`)
    for (const text of [station.lines.join(''), body]) {
      expect(text).not.toContain(secretWord)
      expect(text).not.toContain(station.token)
    }
    expectLogLines(station.lines, session)
  })

  test('[OBS-2] every metric has help and its unit in its name, and is in docs/METRICS.md, which names no other', async () => {
    await using station = await startStation()
    const body = await station.scrape()
    const names = [...readMetrics(body).keys()].filter((name) => name.startsWith('sluice_'))
    expect(names.length).toBeGreaterThan(25)
    for (const name of names) expect(body).toMatch(new RegExp(`^# HELP ${name} \\S.*\\.$`, 'm'))
    const document = await readFile(new URL('../../docs/METRICS.md', import.meta.url), 'utf8')
    const documented = [...document.matchAll(/^\| `(sluice_\w+)` \|/gm)].map(([, name]) => name)
    expect(documented.sort()).toEqual(names.sort())
    const typed = [...body.matchAll(/^# TYPE (sluice_\S+) (\S+)$/gm)]
    for (const [, name, type] of typed) {
      if (type === 'counter') expect(name).toMatch(/_total$/)
      if (type === 'histogram') expect(name).toMatch(/_seconds$/)
    }
  })
})

const forbiddenWord = 'kumquat'
const breakerMetric = 'sluice_target_breaker_state'

/** Everything that is off by default is on. */
function withEverything(policy: Policy): Policy {
  const price = { currency: 'USD', input: 1_000_000, cachedInput: 1_000_000, output: 1_000_000 }
  const everybody = { redact: ['email'], custom: [], filter: { words: [forbiddenWord] } } as const
  return {
    ...policy,
    models: new Map([...policy.models].map(([name, alias]) => [name, { ...alias, offline: 'Nobody is there.' }])),
    targets: new Map([...policy.targets].map(([name, target]) => [name, { ...target, price }])),
    limits: {
      ...policy.limits,
      scopes: { ...policy.limits.scopes, subject: { ...policy.limits.scopes.subject, messagesPerMinute: 7 } },
    },
    breaker: { windowMs: 60_000, minimumCalls: 1, errorRatio: 0.01, openMs: 500, probes: 1 },
    privacy: { everybody, tenants: new Map() },
    cache: { isOn: true, maxEntries: 10, maxBytes: 1_000_000, ttlMs: 60_000 },
  }
}

/** All that can happen to a gateway's users, in one run. Answers the session of the first turn. */
async function drive(station: Station, store: FaultyLog, moved: MovedMetrics): Promise<string> {
  const client = await station.connect()
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  let n = 0
  const ask = (words: string, more: object = {}) => {
    const content = `${secretWord} ${n}\n${words}`
    return client.ask({ type: 'message.send', session, messageId: `m${n++}`, content, ...more }, 'message.accepted')
  }
  // A whole turn, from the beginning of which the store once does not answer.
  store.failNextAppend()
  const first = await ask('[[answer=echo]]')
  await client.next('turn.completed')
  await ask('[[answer=echo]]', { replaces: first.turn })
  await client.next('turn.completed')
  // Cancelled in mid-answer, while another message is refused as busy and the gauges show the turn.
  const { turn } = await ask('[[tokens=100000 tps=200]]')
  await client.next('turn.delta', (delta) => delta.turn === turn)
  await expect(ask('')).rejects.toThrow('busy')
  await moved.look()
  await client.ask({ type: 'turn.cancel', session, turn }, 'turn.cancelling')
  await client.next('turn.cancelled')
  // A failure opens the breaker, which passes the next call over, and nobody else can answer.
  await ask('[[fault=500]]')
  await client.next('turn.completed', ({ finishReason }) => finishReason === 'offline')
  await until('the target may be tried again', async () => (await moved.look()).get(breakerMetric) === 0.5)
  await ask(`[[answer=echo tokens=400]]\nuser@example.com`, { cache: true })
  await client.next('turn.completed')
  await ask(`[[answer=echo tokens=400]]\n${forbiddenWord}`)
  await client.next('turn.failed')
  // Frames that are not the protocol's, with text in them.
  client.socket.send(`{"type":"message.send","content":"${secretWord}`)
  client.socket.send(`${secretWord} is not JSON`)
  client.send({ type: secretWord, [secretWord]: secretWord })
  await client.next('error')
  // A socket that is lost, and its reader resumed on another, which then does not read.
  const ended = await lastEnd(client, session)
  client.socket.terminate()
  const slow = await station.connect()
  await slow.ask({ type: 'session.open', session, cursor: ended }, 'session.opened')
  slow.socket.pause()
  await sendAndForget(slow, session)
  await until('a reader was held', async () => (await moved.look()).get('sluice_readers_held_total') !== 0)
  slow.socket.resume()
  await slow.next('turn.completed')
  // As many as a minute may have were accepted.
  const late = { type: 'message.send', session, messageId: 'late', content: secretWord } as const
  await expect(slow.ask(late, 'message.accepted')).rejects.toThrow('rate-limited')
  // As many sessions as a subject may have are there.
  await expect(slow.ask({ type: 'session.open' }, 'session.opened')).rejects.toThrow('forbidden')
  await fetch(`http://127.0.0.1:${station.gateway.port}/healthz`)
  // A store that breaks its contract is a bug of ours: the socket is closed, and says so.
  const unlucky = await station.connect()
  store.breakNextOpen()
  unlucky.send({ type: 'session.open', id: 'r', session })
  expect((await unlucky.closed).code).toBe(4000)
  await until('the sockets closed', async () => (await moved.look()).get('sluice_sockets_closed_total') === 2)
  const drained = station.gateway.drain()
  await moved.look()
  await drained
  return session
}

/** What only happens to a store that other nodes share. Answers the metrics that moved. */
async function driveShared(): Promise<ReadonlySet<string>> {
  await using server = await startRedisServer()
  const prefix = 'obs:'
  await using station = await startStation({ REDIS_URL: server.url, SLUICE_REDIS_PREFIX: prefix })
  const before = readMetrics(await station.scrape())
  const client = await station.connect()
  const { session } = await client.ask({ type: 'session.open' }, 'session.opened')
  // Another node takes a message, tells nobody of its text, and dies.
  const silent = await openRedisLog(server, { prefix, patchScript: withoutDeltas })
  const { turn, fence } = await acceptElsewhere(silent.log, session)
  await client.next('turn.delta', (delta) => delta.turn === turn)
  await client.next('turn.completed', (end) => end.turn === turn)
  expect(await silent.log.append({ ...fence, at: 0, text: Buffer.alloc(0) })).toEqual({ kind: 'stale' })
  await silent.log.close()
  await server.client.spublish(`${prefix}{${session}}r`, '9 of a later version')
  await server.kill()
  const scraped = async () => readMetrics(await station.scrape())
  await until('the store is away', async () => (await scraped()).get('sluice_store_connected') === 0)
  const after = await scraped()
  return new Set([...after.keys()].filter((name) => after.get(name) !== before.get(name)))
}

const withoutDeltas: PatchScript = (_name, source) =>
  source.replace(/redis\.call\('SPUBLISH', base \.\. 'd'/, "tostring('', ''")

async function acceptElsewhere(log: SessionLog, session: string) {
  const turn = 'elsewhere'
  const record = { type: 'message.added', timeMs: 1, turn, message: { messageId: turn, content: secretWord } } as const
  const claim = { session, messageId: turn, hash: turn, turn, token: turn, leaseMs: 2_500, record }
  expect((await log.accept(claim)).kind).toBe('yours')
  const fence = { session, fence: { token: turn, turn, attempt: 1 }, part: 0, leaseMs: 0, maxBytes: 1_000 }
  const open = { type: 'turn.started', timeMs: 2, turn, attempt: 1, model: 'm' } as const
  expect((await log.append({ ...fence, at: 0, text: Buffer.from('what nobody was told'), open })).kind).toBe('ok')
  return { turn, fence }
}

async function lastEnd(client: Awaited<ReturnType<Station['connect']>>, session: string) {
  const page = await client.ask({ type: 'history.get', session }, 'history.page')
  const last = page.records.at(-1)
  if (last === undefined) throw new Error('the history is empty')
  return { seq: last.seq, mark: last.mark }
}

/** The answer to it comes when the socket reads again. */
async function sendAndForget(client: Awaited<ReturnType<Station['connect']>>, session: string): Promise<void> {
  const content = `${secretWord}\n[[tokens=60000]]`
  client.send({ type: 'message.send', id: 'slow', session, messageId: 'slow', content })
}

function expectLogLines(lines: readonly string[], session: string): void {
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  for (const line of parsed) {
    expect(line).toMatchObject({ service: 'sluice', node: 'node-1', level: expect.stringMatching(/^[a-z]+$/) })
    expect(new Date(String(line.time)).getTime()).toBeGreaterThan(0)
  }
  const ended = parsed.filter((line) => line.msg === 'turn ended')
  expect(ended.map((line) => line.kind).sort()).toEqual(['cancelled', ...Array(5).fill('completed'), 'failed'])
  for (const line of ended) expect(line).toMatchObject({ session, turn: expect.any(String) })
  expect(parsed.filter((line) => line.msg === 'socket closed').length).toBeGreaterThan(1)
  expect(parsed.find((line) => line.msg === 'bug in serving a socket')).toMatchObject({
    level: 'error',
    connection: expect.any(String),
    err: { name: 'TypeError', stack: expect.stringContaining('outbox.ts') },
  })
}

interface MovedMetrics {
  /** Scrapes, and remembers what is no longer as it was at the beginning. */
  look(): Promise<ReadonlyMap<string, number>>
  /** The gateway's own metrics that no look saw move. */
  still(): readonly string[]
}

async function watchMetrics(station: Station): Promise<MovedMetrics> {
  const before = readMetrics(await station.scrape())
  const still = new Set([...before.keys()].filter((name) => name.startsWith('sluice_')))
  expect(still.delete('sluice_build_info')).toBe(true)
  return {
    async look() {
      const now = readMetrics(await station.scrape())
      for (const [name, value] of now) if (value !== before.get(name)) still.delete(name)
      return now
    },
    still: () => [...still],
  }
}

interface FaultyLog {
  readonly log: SessionLog
  failNextAppend(): void
  breakNextOpen(): void
}

/** The memory store, but for two faults on demand: an operation whose outcome stays unknown, and a broken contract. */
function faultyLog(): FaultyLog {
  const real = createMemoryLog({ maxSessionsPerOwner: 1 })
  let failsAppend = false
  let breaksOpen = false
  return {
    log: {
      ...real,
      append(request) {
        if (!failsAppend) return real.append(request)
        failsAppend = false
        return Promise.reject(new Error(`lost while appending ${secretWord}`))
      },
      async open(request) {
        const reply = await real.open(request)
        if (!breaksOpen || reply.kind !== 'ok') return reply
        breaksOpen = false
        const { entries: _, ...broken } = reply
        // The broken contract is what is tried.
        return broken as typeof reply
      },
    },
    failNextAppend() {
      failsAppend = true
    },
    breakNextOpen() {
      breaksOpen = true
    },
  }
}

describe('the log', () => {
  test('[OBS-3] of an error the log has name, code and frames, and its words only when they are the system’s own', async () => {
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(quiet, { version: '1', environment: process.env, destination })
    const parse = () => JSON.parse(`${secretWord} is not JSON`)
    telemetry.log.error({ err: caught(parse) }, 'one')
    telemetry.log.error({ err: new Error(`${secretWord}\n    at ${secretWord}`, { cause: caught(parse) }) }, 'two')
    telemetry.log.error({ error: `${secretWord} in a sentence` }, 'three')
    const system = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), {
      errno: -111,
      syscall: 'connect',
      code: 'ECONNREFUSED',
    })
    telemetry.log.warn({ err: system }, 'four')
    expect(lines.join('')).not.toContain(secretWord)
    const [one, two, three, four] = lines.map((line) => JSON.parse(line))
    expect(one.err).toMatchObject({ name: 'SyntaxError', stack: expect.stringContaining('telemetry.test.ts') })
    expect(two.err.cause.name).toBe('SyntaxError')
    expect(three.error).toBe('a thrown string')
    expect(four.err).toMatchObject({ code: 'ECONNREFUSED', reason: 'connect ECONNREFUSED 127.0.0.1:1' })
  })

  test('[OBS-3] fields that could hold text or secrets are censored, at the top and one level down', async () => {
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(quiet, { version: '1', environment: process.env, destination })
    const secrets = { text: secretWord, content: secretWord, token: secretWord, authorization: secretWord }
    telemetry.log.info({ ...secrets, session: 's1', request: { ...secrets, id: 'r1' } }, 'told too much')
    expect(lines.join('')).not.toContain(secretWord)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ session: 's1', request: { id: 'r1' }, text: '[redacted]' })
  })

  test('[OBS-3] a client’s own name is written when it looks like a product', async () => {
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(quiet, { version: '1', environment: process.env, destination })
    telemetry.sockets.welcomed('c1', 'sluice-js/0.1.0')
    telemetry.sockets.welcomed('c2', `I am ${secretWord}`)
    expect(lines.map((line) => JSON.parse(line).client)).toEqual(['sluice-js/0.1.0', 'other'])
  })
})

describe('the metrics server', () => {
  test('[OBS-4] answers GET and HEAD of /metrics, and nothing else', async () => {
    await using station = await startStation()
    const { metricsUrl } = station
    const got = await fetch(metricsUrl)
    expect([got.status, got.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
    const head = await fetch(metricsUrl, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
    const posted = await fetch(metricsUrl, { method: 'POST', body: 'x'.repeat(100_000) })
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
    expect((await fetch(metricsUrl.replace('/metrics', '/'))).status).toBe(404)
    expect((await fetch(`${metricsUrl}/more`)).status).toBe(404)
    expect((await fetch(`${metricsUrl}?name=x`)).status).toBe(200)
    expect(await statusOf(metricsUrl, '//metrics')).toBe(404)
  })

  test('[OBS-4] a taken port is refused with the variable to set, or left for another one with a warning', async () => {
    await using station = await startStation()
    const { lines, destination } = keptLines()
    const telemetry = await createTelemetry(quiet, { version: '1', environment: process.env, destination })
    const taken = { kind: 'on', host: '127.0.0.1', port: Number(new URL(station.metricsUrl).port) } as const
    await expect(createMetricsServer(taken, telemetry)).rejects.toThrow(/another process.*SLUICE_METRICS_PORT/)
    const moved = await createMetricsServer(taken, telemetry, 'another-port')
    expect(moved.port).not.toBe(taken.port)
    expect((await fetch(`http://127.0.0.1:${moved.port}/metrics`)).status).toBe(200)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'warn', port: taken.port })
    await moved.close()
  })

  test('[OBS-4] off is no server', async () => {
    const telemetry = await createTelemetry(quiet, {
      version: '1',
      environment: process.env,
      destination: keptLines().destination,
    })
    const server = await createMetricsServer({ kind: 'off' }, telemetry)
    expect(server.port).toBeUndefined()
    await server.close()
  })
})

const quiet = { logLevel: 'info', metrics: { kind: 'off' }, exportTraces: false } as const

function caught(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

/** With a path that `fetch` would make proper. */
function statusOf(url: string, path: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, path }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.on('error', reject)
    request.end()
  })
}
