import { Agent, request as httpRequest } from 'node:http'
import type { Attack } from './line.ts'
import type { Stage } from './stage.ts'

/** Attacks over HTTP. */

type Path = 'page' | '/v1/openapi.json' | '/healthz'

function pathOf(stage: Stage, path: Path): string {
  return path === 'page' ? stage.options.pagePath : path
}

function get(path: string, headers = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\n`
}

/** Many requests in one write on each connection; no answer is read. `bytes`: of all connections together. */
export function pipelined(path: Path, bytes: number, connectionCount: number) {
  return (stage: Stage): Attack => {
    const one = get(pathOf(stage, path))
    const requests = one.repeat(Math.floor(bytes / connectionCount / one.length))
    return () =>
      each(stage, connectionCount, async () => {
        await stage.send(stage.connect(), requests)
        await stage.pause(hold)
      })
  }
}

/** Longer than any line: the stage's bound ends it. */
const hold = 60_000

/** One request on each connection, whose answer nobody takes. */
export function unreadAnswers(connectionCount: number) {
  return (stage: Stage): Attack =>
    () =>
      each(stage, connectionCount, async () => {
        await stage.send(stage.connect(), get(pathOf(stage, 'page')))
        await stage.pause(hold)
      })
}

/** Sends `first` and then `drip` again and again. */
export function dripping(connectionCount: number, { first = '', drip = '', everyMs = 500 }) {
  return (stage: Stage): Attack =>
    () =>
      each(stage, connectionCount, async () => {
        const socket = stage.connect().resume()
        if (first !== '') await stage.send(socket, first)
        while (!stage.isOver && !socket.destroyed) {
          await stage.pause(everyMs)
          if (drip !== '') await stage.send(socket, drip)
        }
      })
}

/** Announces a body of 1,000,000 bytes, sends half of it, and waits. */
export function halfBodies(connectionCount: number, withToken: boolean) {
  return (stage: Stage): Attack => {
    const head = upload(withToken ? stage.options.token : undefined)
    const half = Buffer.alloc(uploadBytes / 2, 0x20)
    return () =>
      each(stage, connectionCount, async () => {
        const socket = stage.connect().resume()
        await stage.send(socket, head)
        await stage.send(socket, half)
        await stage.pause(hold)
      })
  }
}

/** The same, but the connection is broken off instead, again and again. */
export function brokenUploads(atOnce: number) {
  return (stage: Stage): Attack => {
    const head = upload(stage.options.token)
    const half = Buffer.alloc(50_000, 0x20)
    return () =>
      stage.loop(stage.part(atOnce), async () => {
        const socket = stage.connect().resume()
        stage.requestCount++
        await stage.send(socket, head)
        await stage.send(socket, half)
        stage.drop(socket)
      })
  }
}

const uploadBytes = 1_000_000

function upload(token: string | undefined): string {
  const authorization = token === undefined ? '' : `Authorization: Bearer ${token}\r\n`
  return `POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${uploadBytes}\r\n${authorization}\r\n`
}

/** One request on each connection, read; then the connection is kept. */
export function idleKeepAlive(connectionCount: number) {
  return dripping(connectionCount, { first: get('/healthz') })
}

interface Flood {
  readonly method?: 'GET' | 'HEAD'
  readonly path: (stage: Stage) => string | Promise<string>
  readonly headers?: (stage: Stage) => Record<string, string> | Promise<Record<string, string>>
}

/** One request after the other on each connection, each answer read. */
export function flood(connectionCount: number, { method = 'GET', path, headers }: Flood) {
  return async (stage: Stage): Promise<Attack> => {
    const asked = { method, path: await path(stage), headers: (await headers?.(stage)) ?? {} }
    const client = new Client(stage)
    return () => stage.loop(stage.part(connectionCount), () => client.ask(asked))
  }
}

export const fixedPath = (path: Path) => (stage: Stage) => pathOf(stage, path)

/** The page's own ETag, so that each answer is a 304. */
export async function knownTag({ options }: Stage): Promise<Record<string, string>> {
  const asked = { method: 'HEAD', signal: AbortSignal.timeout(tagMaxMs) }
  const answer = await fetch(`${options.url}${options.pagePath}`, asked)
  return { 'if-none-match': answer.headers.get('etag') ?? '"none"' }
}

/** How long the page's ETag is waited for, in milliseconds. */
const tagMaxMs = 5_000

export const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })

interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: string
}

/** Keep-alive connections of a stage, each with one request at a time. */
class Client {
  readonly #stage: Stage
  readonly #agent = new Agent({ keepAlive: true })

  constructor(stage: Stage) {
    this.#stage = stage
    this.#agent.createConnection = () => stage.connect().resume()
  }

  /** The answer's status; `undefined`: there was none. */
  ask({ method, path, headers, body }: Asked): Promise<number | undefined> {
    const stage = this.#stage
    stage.requestCount++
    return stage.wait<number | undefined>((done) => {
      const url = new URL(path, stage.options.url)
      const sent = httpRequest(url, { method, headers, agent: this.#agent }, (answer) => {
        answer.on('end', () => done(answer.statusCode)).on('error', () => done(undefined))
        answer.resume()
      })
      sent.on('error', () => done(undefined))
      sent.end(body)
    }, undefined)
  }
}

/** Bodies of 1 MiB of a request that changes a session, one after the other. */
export function hostileBodies(bodyCount: number, body: () => string, path: (stage: Stage) => Promise<string>) {
  return async (stage: Stage): Promise<Attack> => {
    const headers = { ...bearer(stage.options.token), 'content-type': 'application/json' }
    const asked = { method: 'PATCH', path: await path(stage), headers, body: body() }
    const client = new Client(stage)
    return async () => {
      for (let n = 0; n < bodyCount && !stage.isOver; n++) await client.ask(asked)
    }
  }
}

async function each(stage: Stage, connectionCount: number, work: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: stage.part(connectionCount) }, work))
}
