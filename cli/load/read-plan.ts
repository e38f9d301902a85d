import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { planDefaults, type RunPlan, runPlan, sourceNames, timedSources } from '../../load/tester/plan.ts'
import { parseSlo } from '../../load/tester/slo.ts'
import { socketPath } from '../../protocol/version.ts'
import { type Given, UsageError } from './options.ts'

/**
 * Understands the command line.
 *
 * @throws UsageError that says what to do: at a value that is none, a source without a file, a host that nobody said may be
 * loaded, a secret that is not there.
 */
export function readPlan(given: Given, environment: NodeJS.ProcessEnv): RunPlan {
  const source = oneOf('source', given.source ?? planDefaults.source, sourceNames)
  const urls = (given.url ?? ['ws://127.0.0.1:8080']).map(socketUrl)
  const arrivals = oneOf('arrivals', given.arrivals ?? (timedSources.has(source) ? 'open' : 'closed'), loops)
  const sockets = number('sockets', given.sockets) ?? planDefaults.sockets
  const sessions = number('sessions', given.sessions)
  const durationMs =
    time('duration', given.duration) ?? (source === 'made' && !sessions ? standardDurationMs : undefined)
  const runId = randomBytes(6).toString('base64url')
  if (source !== 'made' && given.file === undefined)
    throw new UsageError(`--source ${source} reads a file: give --file FILE`)
  if (source === 'made' && given.file !== undefined)
    throw new UsageError(`--file is read by a source: give --source ${sourceNames.slice(1).join('|')}`)
  const plan = {
    ...planDefaults,
    name: given.name ?? `${source} ${new Date().toISOString().slice(0, 19)}Z`,
    runId,
    urls,
    source,
    ...defined('file', given.file),
    ...defined('questions', number('questions', given.questions)),
    ...defined('inputTokens', number('input-tokens', given['input-tokens'])),
    ...defined('outputTokens', number('tokens', given.tokens)),
    directives: oneOf('directives', given.directives ?? 'on', ['on', 'off']) === 'on',
    ...defined('model', given.model),
    tokens: tokensOf(given, urls, environment),
    workers: number('workers', given.workers) ?? workersFor(arrivals, sockets),
    arrivals,
    sockets,
    ...defined('sessions', sessions),
    ...defined('ratePerSecond', number('rate', given.rate)),
    ...defined('speed', number('speed', given.speed)),
    ...defined('rampMs', time('ramp', given.ramp)),
    ...defined('durationMs', durationMs),
    ...defined('graceMs', time('grace', given.grace)),
    ...defined('patienceMs', time('patience', given.patience)),
    ...defined('thinkMs', time('think', given.think)),
    ...misfortunes(given),
    check: oneOf('check', given.check ?? planDefaults.check, ['hash', 'text']),
    isHistoryChecked: given.history === true,
    ...defined('seed', number('seed', given.seed)),
    slos: slosOf(given.slo ?? []),
    ...defined('faultsMax', number('faults-max', given['faults-max'])),
    ...defined('intervalMs', time('interval', given.interval)),
  }
  mayBeLoaded([...urls, ...(plan.tokens.from === 'url' ? [plan.tokens.url] : [])], given['i-may-load'] ?? [])
  return checked(plan)
}

const loops = ['open', 'closed'] as const
const standardDurationMs = 30_000
const standardAwayMs = 2_000
const standardTokenLifeMs = 3_600_000
const standardSlowBytes = 1_000

function misfortunes(given: Given): Partial<RunPlan> {
  const everyMs = time('kill-every', given['kill-every'])
  const awayMs = time('away', given.away) ?? standardAwayMs
  const slowShare = number('slow', given.slow)
  const bytesPerSecond = number('slow-bytes', given['slow-bytes']) ?? standardSlowBytes
  return {
    ...(everyMs !== undefined && { churn: { everyMs, awayMs } }),
    ...(slowShare !== undefined && { slow: { share: slowShare, bytesPerSecond } }),
    ...defined('watchers', number('watchers', given.watchers)),
    ...defined('cancelShare', number('cancel', given.cancel)),
  }
}

function workersFor(arrivals: 'open' | 'closed', sockets: number): number {
  const most = Math.max(1, availableParallelism() - 1)
  return arrivals === 'open' ? most : Math.min(most, sockets)
}

function tokensOf(given: Given, urls: readonly string[], environment: NodeJS.ProcessEnv): RunPlan['tokens'] {
  const secret = secretOf(given, environment)
  if (secret === undefined) {
    if (given['token-life'] !== undefined)
      throw new UsageError('--token-life needs tokens that are signed here: give --secret-env or --secret-file')
    const url = new URL(given['token-url'] ?? urls[0] ?? '')
    url.protocol = url.protocol.replace('ws', 'http')
    if (given['token-url'] === undefined) url.pathname = '/dev/token'
    return { from: 'url', url: url.href }
  }
  const { tenant, project, scope, issuer, audience } = given
  const claims = { ...defined('tenant', tenant), ...defined('project', project), ...defined('scope', scope) }
  const checks = { ...defined('issuer', issuer), ...defined('audience', audience) }
  return {
    from: 'secret',
    secret,
    ...claims,
    ...checks,
    lifeMs: time('token-life', given['token-life']) ?? standardTokenLifeMs,
  }
}

function secretOf(given: Given, environment: NodeJS.ProcessEnv): string | undefined {
  const { 'secret-env': name, 'secret-file': file } = given
  if (name !== undefined) {
    const secret = environment[name]
    if (secret === undefined || secret === '') throw new UsageError(`--secret-env ${name}: this variable is not set`)
    return secret
  }
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--secret-file: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function socketUrl(text: string): string {
  const url = URL.parse(text)
  if (url === null || !/^(ws|http)s?:$/.test(url.protocol))
    throw new UsageError(`--url ${text} is no address of a socket: write ws://127.0.0.1:8080${socketPath}`)
  url.protocol = url.protocol.replace('http', 'ws')
  if (url.pathname === '/') url.pathname = socketPath
  return url.href
}

/** Load must not be sent to strangers by a typing error. */
function mayBeLoaded(urls: readonly string[], allowed: readonly string[]): void {
  for (const url of urls) {
    const { hostname } = new URL(url)
    if (isLoopback(hostname) || allowed.includes(hostname)) continue
    throw new UsageError(`${hostname} is not this machine. If it is yours to load, say so: --i-may-load ${hostname}`)
  }
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}

function slosOf(texts: readonly string[]): string[] {
  try {
    for (const text of texts) parseSlo(text)
    return [...texts]
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function checked(plan: unknown): RunPlan {
  const parsed = runPlan.safeParse(plan)
  if (parsed.success) return parsed.data
  throw new UsageError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('\n'))
}

function oneOf<const T extends string>(name: string, given: string, values: readonly T[]): T {
  const found = values.find((value) => value === given)
  if (found === undefined) throw new UsageError(`--${name} ${given} must be one of ${values.join(', ')}`)
  return found
}

function number(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const value = /^\d+(\.\d+)?$/.test(given) ? Number(given) : Number.NaN
  if (Number.isNaN(value)) throw new UsageError(`--${name} ${given} must be a number`)
  return value
}

const unitsMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** In milliseconds. */
function time(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined
  const [, value, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(given) ?? []
  const unitMs = unitsMs[unit]
  if (value === undefined || unitMs === undefined)
    throw new UsageError(`--${name} ${given} must be a time: 500ms, 20s, 5m, 1h; a bare number is seconds`)
  return Number(value) * unitMs
}

function defined<Name extends string, T>(name: Name, value: T | undefined): { readonly [Key in Name]?: T } {
  // A computed name is lost on the compiler.
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: T }
}
