import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { deadlineMs, ended, main, run, type Variables } from './command.ts'

const healthCheck = new URL('../../cli/healthcheck.cjs', import.meta.url).pathname
const withKey = {
  SLUICE_JWT_SECRET: 'only-for-this-test-0123456789-0123456789',
  SLUICE_JWT_ISSUER: 'https://id.example',
  SLUICE_JWT_AUDIENCE: 'sluice',
}

interface Started {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly url: string
}

/** `lines`: what it prints, as far as the one that matches `last`. */
async function start(last: RegExp, variables: Variables = {}): Promise<Started> {
  const child = run([main, 'start'], variables)
  if (child.stdout === null) throw new Error('unable to read the child: it has no output')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (!last.test(line)) continue
    const url = /^Sluice is on (\S+)$/.exec(lines[0] ?? '')?.[1]
    if (url === undefined) break
    return { child, lines, url }
  }
  throw new Error(`it did not start; it said: ${lines.join('\n')}`)
}

const answered = async (url: string, init?: RequestInit) =>
  (await fetch(url, { ...init, signal: AbortSignal.timeout(deadlineMs) })).json()

describe('sluice start', () => {
  test('[CLI-1] without any variable it says its address, that the model is bundled, and that it is development; and answers', async () => {
    const { child, lines, url } = await start(/^Development mode/)
    expect(lines).toEqual([
      expect.stringMatching(/^Sluice is on http:\/\/127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^It answers from the bundled model server .*OPENAI_API_KEY/),
      expect.stringMatching(/^Development mode/),
    ])
    const { token } = await answered(`${url}/dev/token?subject=ada`)
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
    const { session } = await answered(`${url}/v1/sessions`, { method: 'POST', headers })
    const body = JSON.stringify({ content: 'hello\n[[tokens=5 ttft=0 tps=0]]' })
    const turn = await answered(`${url}/v1/sessions/${session}/messages`, { method: 'POST', headers, body })
    expect(turn).toMatchObject({ type: 'turn.completed', finishReason: 'stop', text: expect.stringMatching(/./) })
    child.kill('SIGTERM')
    expect(await once(child, 'exit', { signal: AbortSignal.timeout(deadlineMs) })).toEqual([0, null])
  })

  test('[CLI-2] with a provider it brings no model server of its own', async () => {
    const { child, lines } = await start(/^Development mode/, { OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' })
    expect(lines.filter((line) => line.includes('bundled'))).toEqual([])
    child.kill('SIGINT')
    expect(await once(child, 'exit', { signal: AbortSignal.timeout(deadlineMs) })).toEqual([0, null])
  })
})

describe('what keeps it from starting', () => {
  test('[CLI-3] a metrics port that is taken ends it with what to do, and it serves nobody before that', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const variables = { ...withKey, SLUICE_METRICS_PORT: String(address.port) }
    const { code, said, complained } = await ended(run([main, 'start'], variables))
    other.close()
    expect(complained).toMatch(/^unable to serve metrics on .*SLUICE_METRICS_PORT/)
    expect({ code, said }).toEqual({ code: 1, said: '' })
  })

  test.each([
    ['a host that others reach, without a key', { HOST: '0.0.0.0' }, /HOST is not a loopback.*SLUICE_JWT_SECRET/],
    ['a port that is taken', { SLUICE_METRICS_PORT: '0' }, /unable to listen on .* set PORT/],
    ['prompts that are not there', { SLUICE_PROMPTS_DIR: '/nowhere' }, /unable to load prompts.*SLUICE_PROMPTS_DIR/],
    [
      'a certificate that is not there',
      { SLUICE_TLS_CERT_FILE: '/no', SLUICE_TLS_KEY_FILE: '/no' },
      /certificate \/no/,
    ],
    ['a misspelt variable', { SLUICE_TRANSPROT: 'ws' }, /did you mean SLUICE_TRANSPORT\?/],
  ])('[CLI-4] %s ends it with exit code 1 and what to do', async (what, variables, expected) => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    if (address === null || typeof address === 'string') throw new Error('no port')
    const port = what === 'a port that is taken' ? { PORT: String(address.port) } : {}
    const { code, complained } = await ended(run([main, 'start'], { ...variables, ...port }))
    other.close()
    expect(complained).toMatch(expected)
    expect(code).toBe(1)
  })

  test('[CLI-5] for production a provider must be configured, and no command at all is wrong usage', async () => {
    const serve = await ended(run([main, 'serve'], withKey))
    expect(serve).toMatchObject({ code: 1, complained: expect.stringMatching(/no provider; set OPENAI_API_KEY/) })
    expect(await ended(run([main]))).toMatchObject({ code: 2, complained: expect.stringMatching(/^usage: sluice/) })
  })
})

describe('beside it', () => {
  test('[CLI-6] a token that the command signs is accepted, with the algorithm that is configured', async () => {
    const variables = { ...withKey, SLUICE_JWT_SECRET: 's'.repeat(64), SLUICE_JWT_ALGORITHMS: 'HS512' }
    const args = ['token', '--subject', 'ada', '--project', 'p', '--scope', 'chat history']
    const { code, said } = await ended(run([main, ...args], variables))
    expect(code).toBe(0)
    const { url } = await start(/^It answers from/, variables)
    const headers = { authorization: `Bearer ${said.trim()}` }
    expect(await answered(`${url}/v1/sessions`, { headers })).toMatchObject({ type: 'session.page', sessions: [] })
    expect(await answered(`${url}/dev/token?subject=ada`)).toMatchObject({ error: { kind: 'not-found' } })
    expect(await answered(`${url}/v1/web-config`)).toEqual({ paste: true })
  })

  test('[CLI-7] the health check asks where the gateway listens, and fails when nobody answers there', async () => {
    const { child, url } = await start(/^Development mode/, { HOST: '127.0.0.2' })
    const { port, hostname } = new URL(url)
    expect((await ended(run([healthCheck], { HOST: hostname, PORT: port }))).code).toBe(0)
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect((await ended(run([healthCheck], { HOST: hostname, PORT: port }))).code).toBe(1)
  })
})
