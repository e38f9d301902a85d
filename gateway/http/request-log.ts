import { idPattern } from '../../protocol/limits.ts'
import { randomId } from '../chat.ts'
import { methodLabel } from '../telemetry/labels.ts'
import type { HttpDeps } from './route.ts'

/** What every answer gets, of whatever kind: its line in the log, its figure, and the headers that all have. */
export class RequestLog {
  readonly headers: Readonly<Record<string, string>>
  readonly #deps: Pick<HttpDeps, 'logger' | 'telemetry'>

  constructor({ logger, telemetry, isTls }: Pick<HttpDeps, 'logger' | 'telemetry' | 'isTls'>) {
    this.#deps = { logger, telemetry }
    this.headers = { 'x-content-type-options': 'nosniff', ...(isTls && strictTransport) }
  }

  /** Nothing of the request's query, its body or its token. */
  answered({ startedMs, ...request }: Answered): void {
    const { logger, telemetry } = this.#deps
    const durationMs = performance.now() - startedMs
    const method = methodLabel(request.method)
    telemetry.answered(request.route, method, request.status, durationMs)
    const line = { ...request, method, durationMs: Math.round(durationMs * 10) / 10 }
    if (probes.has(request.route)) logger.debug(line, 'answered')
    else logger.info(line, 'answered')
  }
}

export interface Answered {
  readonly requestId: string
  readonly method: string
  /** The route's pattern, not the path. */
  readonly route: string
  readonly status: number
  /** By `performance.now`. */
  readonly startedMs: number
  readonly address: string
  readonly subject: string | undefined
}

export function requestIdOf(given: string | undefined): string {
  return given !== undefined && idPattern.test(given) ? given : randomId()
}

/** A year; subdomains may be somebody else's. */
const strictTransport = { 'strict-transport-security': 'max-age=31536000' }

/** Asked for every few seconds, by machines. */
const probes: ReadonlySet<string> = new Set(['/healthz', '/readyz'])
