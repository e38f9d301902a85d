/** `request` and `connection` of a target in `sluice.yaml`. */
import { copyFile, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { openPolicy } from '../../../../gateway/config/policy/live-policy.ts'
import { makeAuthority } from '../../../support/authority.ts'
import { folder, policyIn, problemsIn, sourcesOf, warningsIn } from './files.ts'

const authority = makeAuthority()
const other = makeAuthority()
afterAll(() => {
  authority[Symbol.dispose]()
  other[Symbol.dispose]()
})

const fileOf = (settings: string, more = '') => `version: 1
models: { fast: { targets: [{ target: a }] } }
targets:
  a:
    baseUrl: https://a.example/v1
    model: m
    keys: [{ env: KEY }]
${settings.replaceAll(/^/gm, '    ')}
${more}`

const environment = {
  KEY: 'sk-secret',
  TENANT: 'tenant-secret',
  PROXY: 'http://u:hush1@p.example:1',
  BAD: 'socks5://x:1',
}

describe('a target’s request and connection', () => {
  test('[CONF-342] are read whole, and show no secret', async () => {
    const policy = await policyIn(
      fileOf(`answerTokens: 1000
contextTokens: 4096
request:
  tokenLimit: max_completion_tokens
  streamOptions: false
  keyHeader: API-Key
  headers: { OpenAI-Project: proj_1, X-Tenant: { env: TENANT } }
  query: { api-version: "2026-01-01" }
  parameters: { temperature: 0.2, stop: [a, b] }
  promptMayChange: [temperature]
connection:
  proxy: { env: PROXY }
  caFile: ${authority.caFile}
  certFile: ${authority.certFile}
  keyFile: ${authority.keyFile}`),
      environment,
    )
    const target = policy.targets.get('a')
    expect(target).toMatchObject({
      answerTokens: 1_000,
      contextTokens: 4_096,
      request: {
        tokenLimit: 'max_completion_tokens',
        sendsStreamOptions: false,
        keyHeader: 'api-key',
        query: { 'api-version': '2026-01-01' },
        parameters: { temperature: 0.2, stop: ['a', 'b'] },
        promptMayChange: ['temperature'],
      },
    })
    expect([...(target?.request?.headers ?? [])]).toEqual([
      ['openai-project', 'proj_1'],
      ['x-tenant', { from: 'env TENANT', secret: expect.anything() }],
    ])
    expect(target?.connection?.ca).toBe(await readFile(authority.caFile, 'utf8'))
    expect(target?.connection?.clientCertificate?.key.secret.reveal()).toContain('PRIVATE KEY')
    expect(target?.connection?.proxy?.secret.reveal()).toBe(environment.PROXY)
    expect(inspect(policy, { depth: 9 })).not.toMatch(/secret-|sk-secret|tenant-secret|hush1@|PRIVATE KEY/)
  })

  test('[CONF-342] those that OPERATIONS.md shows are whole', async () => {
    const root = path.resolve(import.meta.dirname, '../../../..')
    const operations = await readFile(path.join(root, 'docs', 'OPERATIONS.md'), 'utf8')
    const [, example = ''] = /## Endpoints that differ[\s\S]*?```yaml\n([\s\S]*?)```/.exec(operations) ?? []
    const names = [...example.matchAll(/^ {2}([\w-]+):/gm)].map(([, name]) => `{ target: ${name} }`)
    const text = `version: 1\nmodels: { m: { targets: [${names.join(', ')}] } }\n${example}`
    const policy = await policyIn(text, { AZURE_KEY: 'a', OPENAI_API_KEY: 'b' })
    expect([...policy.targets.keys()]).toEqual(['azure', 'gpt-5', 'local'])
  })

  const certificate = `certFile: ${authority.certFile}`
  test.each([
    [
      'request: { headers: { Host: x } }',
      'request.headers.Host is set by the gateway; remove it, or use the setting for it',
    ],
    ['request: { headers: { content-type: x } }', 'request.headers.content-type is set by the gateway'],
    [
      'request: { headers: { Authorization: x } }',
      'request.headers.Authorization has the key of `keys` already; remove one',
    ],
    ['request: { headers: { x-a: x, X-A: y } }', 'request.headers.X-A is there twice, with other capitals; remove one'],
    ['request: { headers: { "x y": x } }', 'is no name of a header; use letters, digits and `-`, at most 64'],
    ['request: { keyHeader: Host }', 'request.keyHeader is set by the gateway'],
    ['request: { parameters: { max_tokens: 5 } }', 'request.parameters.max_tokens is set by the gateway'],
    ['request: { parameters: { messages: [] } }', 'request.parameters.messages is set by the gateway'],
    ['request: { parameters: { n: 2 } }', 'request.parameters.n is set by the gateway'],
    ['request: { promptMayChange: [model] }', 'request.promptMayChange[0] is set by the gateway'],
    ['request: { tokenLimit: max_output }', 'request.tokenLimit'],
    ['answerTokens: 4096\ncontextTokens: 4096', 'answerTokens is not less than contextTokens; set it below that'],
    [
      'connection: { proxy: "socks5://x:1" }',
      'connection.proxy is no HTTP proxy; set http://host:port (SOCKS is not supported)',
    ],
    [
      'connection: { proxy: { env: BAD } }',
      'connection.proxy is no HTTP proxy; set http://host:port (SOCKS is not supported)',
    ],
    [
      'connection: { proxy: "http://u:hush1@p:1" }',
      'connection.proxy has a user name or password; put the whole URL into a variable or a file',
    ],
    [
      'connection: { caFile: none.pem }',
      'connection.caFile names a file that is not there; make it, or change the path',
    ],
    [
      `connection: { caFile: ${authority.keyFile} }`,
      'connection.caFile names a file without a certificate in PEM; put one into it',
    ],
    [`connection: { ${certificate} }`, 'connection.certFile is there without keyFile; add it'],
    [`connection: { keyFile: ${authority.keyFile} }`, 'connection.keyFile is there without certFile; add it'],
    [
      `connection: { ${certificate}, keyFile: ${authority.caFile} }`,
      'connection.keyFile names a file without a private key in PEM, or with a passphrase; put the key alone into it',
    ],
    [
      `connection: { ${certificate}, keyFile: ${other.keyFile} }`,
      'connection.keyFile names a key that is not of the certificate in certFile; set the two that belong together',
    ],
  ])('[CONF-343] %s is a problem', async (settings, words) => {
    const problems = await problemsIn(fileOf(settings), environment)
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain(words)
    expect(problems[0]).toMatch(/^sluice\.yaml:\d+:\d+ targets\.a/)
    expect(problems[0]).not.toMatch(/hush1|BEGIN/)
  })

  test('[CONF-343] certificates of a plain http address are a problem', async () => {
    const text = fileOf(`connection: { caFile: ${authority.caFile} }`).replace('https:', 'http:')
    expect(await problemsIn(text, environment)).toEqual([
      expect.stringContaining('is of no use with a baseUrl of plain http'),
    ])
  })

  test('[CONF-343] no limit of answers beside a budget is a warning', async () => {
    const budget = 'limits: { subject: { perDay: "1" } }\n'
    const price = 'price: { input: "1", output: "1" }\n'
    const warnings = await warningsIn(fileOf(`${price}request: { tokenLimit: none }`, budget), environment)
    expect(warnings).toEqual([expect.stringContaining('targets.a.request.tokenLimit is none: an answer can be longer')])
  })

  test('[CONF-344] a certificate that is renewed in its files is taken over, as another target', async () => {
    const dir = await folder()
    const put = async ({ certFile, keyFile }: typeof authority) => {
      await copyFile(certFile, path.join(dir, 'client.pem'))
      await copyFile(keyFile, path.join(dir, 'client.key'))
    }
    await put(authority)
    const file = path.join(dir, 'sluice.yaml')
    await writeFile(file, fileOf('connection: { certFile: client.pem, keyFile: client.key }'))
    const opening = await openPolicy(sourcesOf({ ...environment, SLUICE_CONFIG_FILE: file }))
    if (opening.kind === 'invalid') throw new Error(opening.problems.join('\n'))
    const { live } = opening
    onTestFinished(() => live.close())
    const lines: unknown[] = []
    const log = {
      info: (_: object, words: string) => lines.push(words),
      warn: () => undefined,
      error: (fields: object) => lines.push(fields),
    }
    const first = live.current().targets.get('a')?.connection?.clientCertificate
    await put(other)
    await live.check(log)
    await live.check(log)
    const second = live.current().targets.get('a')?.connection?.clientCertificate
    expect(second?.key.from).not.toBe(first?.key.from)
    expect(second?.certificate).toBe(await readFile(other.certFile, 'utf8'))
    // Half of a pair is refused, and the one before stays.
    await copyFile(authority.keyFile, path.join(dir, 'client.key'))
    await live.check(log)
    await live.check(log)
    expect(live.current().targets.get('a')?.connection?.clientCertificate).toBe(second)
    expect(lines).toEqual([
      'the changed configuration is taken over',
      { file, problems: [expect.stringContaining('names a key that is not of the certificate')] },
    ])
    expect(JSON.stringify(lines)).not.toContain('PRIVATE')
  })
})
