import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startModelServer } from '../../load/model-server/server.ts'
import { startProvider } from '../orchestrator/provider-server.ts'
import { makeAuthority } from '../support/authority.ts'
import { startConnectProxy } from '../support/connect-proxy.ts'
import { type Ended, ended, main, run, type Variables } from './command.ts'

/** `sluice target check`: a process of its own, with a `sluice.yaml`. */

const secret = 'sk-very-secret-key'

async function check(targets: string, variables: Variables = {}, names: readonly string[] = []): Promise<Ended> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sluice-target-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const file = path.join(dir, 'sluice.yaml')
  const known = [...targets.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => `{ target: ${name} }`)
  await writeFile(file, `version: 1\nmodels: { m: { targets: [${known.join(', ')}] } }\ntargets:\n${targets}`)
  const environment = { SLUICE_CONFIG_FILE: file, KEY: secret, ...variables }
  return ended(run([main, 'target', 'check', ...names], environment))
}

const withoutTimes = (said: string) => said.replaceAll(/after \d+ ms/g, 'after N ms')

test('[CLI-340] says of each target whether it answers, what it lists and reports, without a key', async () => {
  await using model = await startModelServer({ apiKey: secret, models: ['sluice-demo', 'other'] })
  const { code, said, complained } = await check(
    `  good: { baseUrl: "${model.url}", model: sluice-demo, keys: [{ env: KEY }] }
  other: { baseUrl: "${model.url}", model: "unlisted?tokens=3", keys: [{ env: KEY }] }
`,
  )
  expect({ code, complained }).toEqual({ code: 0, complained: '' })
  expect(withoutTimes(said).split('\n')).toEqual([
    `good: sluice-demo at ${model.url}`,
    '  models     2 listed, sluice-demo among them',
    '  answer     first token after N ms, finish reason stop',
    expect.stringMatching(/^ {2}usage {6}reported: \d+ tokens in, \d+ out$/),
    '  reasoning  none seen',
    `other: unlisted?tokens=3 at ${model.url}`,
    '  models     2 listed, unlisted?tokens=3 NOT among them',
    '  answer     first token after N ms, finish reason stop',
    expect.stringMatching(/^ {2}usage {6}reported: \d+ tokens in, 3 out$/),
    '  reasoning  none seen',
    '',
  ])
  expect(said).not.toContain(secret)
})

test('[CLI-341] asks with the gateway’s own request, and says what had to be changed in it', async () => {
  await using model = await startModelServer({
    apiKey: secret,
    keyHeader: 'api-key',
    refuses: ['max_tokens', 'temperature'],
  })
  const { code, said } = await check(
    `  picky:
    baseUrl: ${model.url}
    model: sluice-demo
    keys: [{ env: KEY }]
    answerTokens: 100
    request: { keyHeader: api-key, headers: { x-team: blue }, query: { v: "1" }, parameters: { temperature: 0.2, top_p: 1 } }
`,
  )
  expect(code).toBe(0)
  expect(said).toContain(
    '  request    parameter max_tokens, instead max_completion_tokens: the endpoint refuses a parameter',
  )
  expect(said).toContain('  request    parameter temperature: the endpoint refuses a parameter')
  const asked = model.requests.filter(({ method }) => method === 'POST')
  expect(asked.map(({ path: at }) => at)).toEqual(asked.map(() => '/v1/chat/completions?v=1'))
  expect(asked).toHaveLength(3)
  const { headers, body } = asked.at(-1) ?? {}
  expect(Object.keys(headers ?? {}).sort()).toEqual(
    ['accept', 'api-key', 'connection', 'content-length', 'content-type', 'host', 'user-agent', 'x-team'].sort(),
  )
  expect(body).toEqual({
    model: 'sluice-demo',
    messages: expect.anything(),
    max_completion_tokens: 100,
    stream: true,
    stream_options: { include_usage: true },
    top_p: 1,
  })
})

test('[CLI-341] finds the context of a small model', async () => {
  await using model = await startModelServer({ contextTokens: 2_048 })
  const { code, said } = await check(`  small: { baseUrl: "${model.url}", model: sluice-demo }\n`)
  expect(code).toBe(0)
  expect(said).toContain(
    "  request    contextTokens 2048: the model's context is smaller than prompt and answer; set contextTokens",
  )
})

test('[CLI-342] a target that cannot answer is said with what to do, and ends it with 1', async () => {
  await using model = await startModelServer({ apiKey: 'another' })
  await using quoting = await startProvider(() => ({
    status: 401,
    body: { error: { message: `Incorrect API key provided: ${secret}, or sk-ver****-key`, code: 'invalid_api_key' } },
  }))
  await using silent = await startProvider(() => ({ status: 404, body: {} }))
  const { code, said, complained } = await check(
    `  good: { baseUrl: "${quoting.url}", model: m, keys: [{ env: KEY }] }
  refused: { baseUrl: "${model.url}", model: m, keys: [{ env: KEY }] }
  lost: { baseUrl: "${silent.url}", model: m }
  nowhere: { baseUrl: "https://model.invalid/v1", model: m, keys: [] }
`,
  )
  expect({ code, complained }).toEqual({ code: 1, complained: '' })
  expect(said.match(/FAILED/g)).toHaveLength(4)
  expect(said).toMatch(/FAILED: status 401, invalid_api_key, .*; see the key, and request\.keyHeader/)
  expect(said).toMatch(/FAILED: status 404.*; see baseUrl and model/)
  expect(said).toMatch(/FAILED: E\w+, .*; see baseUrl; a network that is left through a proxy needs HTTPS_PROXY/)
  expect(said).not.toMatch(/secret|sk-/)
})

test('[CLI-342] only the targets that are named are asked', async () => {
  await using model = await startModelServer()
  const targets = `  one: { baseUrl: "${model.url}", model: m }\n  two: { baseUrl: "${model.url}", model: m }\n`
  const named = await check(targets, {}, ['two'])
  expect([named.code, named.said.match(/^\w+: m at/gm)]).toEqual([0, ['two: m at']])
})

test('[CLI-342] a name that is not there is told, with those that are', async () => {
  const { code, said, complained } = await check('  one: { baseUrl: "http://127.0.0.1:9/v1", model: m }\n', {}, [
    'three',
  ])
  expect([code, said, complained]).toEqual([
    1,
    '',
    'unable to check three: there is no target of that name; there are one\n',
  ])
})

test('[CLI-342] another verb is wrong usage', async () => {
  const { code, complained } = await ended(run([main, 'target', 'list']))
  expect([code, complained]).toEqual([2, expect.stringContaining('usage: sluice target check')])
})

test('[CLI-343] goes the gateway’s way: proxy, authority and certificate', async () => {
  const authority = makeAuthority()
  onTestFinished(() => authority[Symbol.dispose]())
  const { readFileSync } = await import('node:fs')
  const pem = (file: string) => readFileSync(file, 'utf8')
  const tls = { cert: pem(authority.certFile), key: pem(authority.keyFile), ca: pem(authority.caFile) }
  await using server = await startProvider(() => undefined, { ...tls, requestCert: true, rejectUnauthorized: true })
  await using proxy = await startConnectProxy({ names: { 'model.internal': server.port }, credentials: 'ann:hush1' })
  const { code, said } = await check(
    `  inside:
    baseUrl: https://model.internal/v1
    model: m
    keys: []
    connection: { caFile: ${authority.caFile}, certFile: ${authority.certFile}, keyFile: ${authority.keyFile} }
`,
    { https_proxy: `http://ann:hush1@127.0.0.1:${proxy.port}` },
  )
  expect({ code, asked: new Set(proxy.asked) }).toEqual({ code: 0, asked: new Set(['CONNECT model.internal:443']) })
  expect(said).toContain(`  proxy      http://127.0.0.1:${proxy.port}\n`)
  expect(said).toContain('  usage      not reported: answers are booked at their upper bound')
  expect(said).not.toContain('hush1')
})
