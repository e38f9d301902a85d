/** deploy/compose.yaml: what the schema of compose files and the files beside it can tell without an engine. */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { variables } from '../../gateway/config/variables.ts'
import { balancerConfig, configFor } from '../support/balancer.ts'

const root = path.resolve(import.meta.dirname, '..', '..')
const text = readFileSync(path.join(root, 'deploy', 'compose.yaml'), 'utf8')
const compose: Compose = parse(text, { merge: true })
/** Of the tests' own packages, which the bootstrap installs, or says why not. */
const manifest = path.join(root, 'test', 'helm', 'package.json')
const hasSchema = existsSync(path.join(path.dirname(manifest), 'node_modules', 'dclint'))
const nginx = readFileSync(balancerConfig, 'utf8')
const gateways = Object.entries(compose.services).filter(([name]) => name.startsWith('gateway-'))

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly networks: Readonly<Record<string, { readonly ipam?: { readonly config: readonly { subnet: string }[] } }>>
}

interface Service {
  readonly environment?: Readonly<Record<string, string>>
  readonly stop_grace_period?: string
  readonly networks?: Readonly<Record<string, { readonly ipv4_address?: string }>>
}

type Validate = ((value: unknown) => boolean) & { readonly errors?: readonly unknown[] | null }

/** ajv and the compose specification's schema, both from the tests' own manifest. */
function composeValidator(): Validate {
  const load = createRequire(manifest)
  const { Ajv }: { Ajv: new (options: object) => { compile(schema: unknown): Validate } } = load('ajv')
  const schema = path.join(path.dirname(load.resolve('dclint')), '..', 'schemas', 'compose.schema.json')
  // The schema names its own schema by an address that ajv does not know.
  return new Ajv({ strict: false, validateFormats: false, validateSchema: false }).compile(
    JSON.parse(readFileSync(schema, 'utf8')),
  )
}

describe('deploy/compose.yaml', () => {
  test.runIf(hasSchema)('[DEPLOY-1] is a compose file, and a misspelt field in it would be seen', () => {
    const validate = composeValidator()
    expect(validate(compose) ? [] : validate.errors).toEqual([])
    const [name = '', service] = gateways[0] ?? []
    expect(validate({ ...compose, services: { [name]: { ...service, stop_grace_perod: '1s' } } })).toBe(false)
  })

  test('[DEPLOY-2] a gateway is stopped only after its drain, and knows all its variables', () => {
    expect(gateways.length).toBe(2)
    for (const [, { environment = {}, stop_grace_period }] of gateways) {
      const graceMs = Number(/^(\d+)s$/.exec(stop_grace_period ?? '')?.[1]) * 1000
      expect(graceMs).toBeGreaterThan(Number(environment.SLUICE_DRAIN_MS) + 4_000)
      expect(Object.keys(environment).filter((variable) => !(variable in variables.shape))).toEqual([])
    }
  })

  test('[DEPLOY-2] secrets come from outside, and what is to be filled in is empty', () => {
    for (const [, { environment = {} }] of gateways) {
      expect(environment.SLUICE_JWT_SECRET).toMatch(/^\$\{SLUICE_JWT_SECRET:\?/)
      expect(environment.OPENAI_API_KEY).toMatch(/^\$\{OPENAI_API_KEY-\}$/)
    }
    const example = readFileSync(path.join(root, 'deploy', '.env.example'), 'utf8')
    const asked = [...text.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => name)
    for (const name of new Set(asked)) expect(example).toMatch(new RegExp(`^${name}=`, 'm'))
    expect(example).toMatch(/^SLUICE_JWT_SECRET=$/m)
    expect(readFileSync(path.join(root, '.gitignore'), 'utf8')).toMatch(/^\.env$/m)
  })

  test('[DEPLOY-3] nginx balances over exactly these gateways, which trust its network, and sticks to none', () => {
    const addresses = gateways.map(([, { networks }]) => networks?.front?.ipv4_address)
    expect([...nginx.matchAll(/server (\S+):8080 /g)].map(([, address]) => address)).toEqual(addresses)
    const [{ subnet } = { subnet: '' }] = compose.networks.front?.ipam?.config ?? []
    for (const [, { environment }] of gateways) expect(environment?.SLUICE_TRUSTED_PROXIES).toBe(subnet)
    expect(nginx).not.toMatch(/^\s*(?:ip_hash|hash|sticky)\b/m)
  })

  test('[DEPLOY-3] nginx has addresses in two places alone, so that they can be others', () => {
    const other = configFor(nginx, 4000, [4001, 4002, 4003], '/elsewhere')
    expect(other).not.toMatch(/10\.83\.|\/tmp\/|:8080/)
    expect([...other.matchAll(/127\.0\.0\.1:\d+/g)].map(String)).toEqual(
      [4001, 4002, 4003, 4000].map((port) => `127.0.0.1:${port}`),
    )
  })
})
