import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterEach, expect, test } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import type { ChatRequest } from '../../load/model-server/request.ts'
import { deltas, exchange, post } from './raw-client.ts'

const main = new URL('../../load/model-server/main.ts', import.meta.url).pathname
const request: ChatRequest = { model: 'sluice-demo', stream: true, messages: [{ role: 'user', content: 'Hello' }] }
const children: ChildProcess[] = []

afterEach(() => {
  for (const child of children.splice(0)) child.kill()
})

interface Started {
  readonly child: ChildProcess
  readonly url: string
}

async function start(
  options: { readonly args?: readonly string[]; readonly env?: Record<string, string>; readonly ipc?: boolean } = {},
): Promise<Started> {
  const stdio = options.ipc ? (['ignore', 'pipe', 'inherit', 'ipc'] as const) : (['pipe', 'pipe', 'inherit'] as const)
  const child = spawn(process.execPath, [main, ...(options.args ?? [])], {
    stdio: [...stdio],
    env: { ...process.env, PORT: '1', ...options.env },
  })
  children.push(child)
  if (child.stdout === null) throw new Error('unable to read the child: it has no output')
  const [line] = await once(createInterface(child.stdout), 'line', { signal: AbortSignal.timeout(10_000) })
  return { child, url: JSON.parse(String(line)).listening }
}

test('[MODEL-8] the process prints where it listens, on loopback, and answers there', async () => {
  const { url } = await start({ args: ['--ttft=0', '--tps=0'] })
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1$/)
  expect(deltas((await post(url, request)).text).join('')).toBe(answerFor(request).text)
})

test('[MODEL-8] arguments win over variables', async () => {
  const { url } = await start({
    args: ['--tokens=3'],
    env: { SLUICE_MODEL_SERVER_TOKENS: '5', SLUICE_MODEL_SERVER_TTFT: '0', SLUICE_MODEL_SERVER_DIRECTIVES: 'off' },
  })
  const directed = { ...request, messages: [{ role: 'user', content: '[[tokens=9]]' }] }
  expect(deltas((await post(url, directed)).text)).toHaveLength(3)
})

test('[MODEL-8] the process ends when its input does, also with a stream under way', async () => {
  const { child, url } = await start({ args: ['--tokens=100000'] })
  const { headers, response } = exchange(`${url}/chat/completions`, 'POST', request)
  await headers
  child.stdin?.end()
  expect(await once(child, 'exit', { signal: AbortSignal.timeout(5_000) })).toEqual([0, null])
  expect((await response).ending).toBe('broken')
})

test('[MODEL-8] the process ends when the channel to its parent closes', async () => {
  const { child } = await start({ ipc: true })
  child.disconnect()
  expect(await once(child, 'exit', { signal: AbortSignal.timeout(5_000) })).toEqual([0, null])
})

test('[MODEL-8] a wrong argument is named, and nothing starts', async () => {
  for (const argument of ['--tokens=many', '--colour=red', 'tokens=3', '--port=70000', '--directives=maybe']) {
    const child = spawn(process.execPath, [main, argument], { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    const said: Buffer[] = []
    child.stderr.on('data', (piece: Buffer) => said.push(piece))
    expect(await once(child, 'close', { signal: AbortSignal.timeout(10_000) })).toEqual([2, null])
    expect(Buffer.concat(said).toString()).toMatch(/^unable to start the model server: .+/)
  }
})
