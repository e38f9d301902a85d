/** The pod that the chart makes: how it leaves, what it is told, what it may. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parsePolicyText } from '../../gateway/config/policy/read-policy.ts'
import { variables } from '../../gateway/config/variables.ts'
import { readConfig } from '../../gateway/config.ts'
import { allRoutes } from '../../gateway/http/routes.ts'
import { at, examples, hasHelm, listAt, manifests, type Node, nodeAt, ofKind, pod, root, template } from './helm.ts'

/** From the signal to the last close frame: what docs/OPERATIONS.md asks for beyond the drain itself. */
const CLOSING_SECONDS = 4

/** The environment as the gateway would find it; what comes from elsewhere is made up. */
function environmentOf(container: Node): Map<string, string> {
  const madeUp = new Map([
    ['SLUICE_JWT_SECRET', 'only-for-this-test-0123456789abcdef'],
    ['REDIS_URL', 'redis://:only-for-this-test@redis:6379'],
  ])
  return new Map(
    listAt(container, 'env').map((entry): [string, string] => {
      const { name, value } = nodeAt(entry)
      return [String(name), typeof value === 'string' ? value : (madeUp.get(String(name)) ?? 'made-up')]
    }),
  )
}

describe.runIf(hasHelm)('the pod of the chart', () => {
  test.each([0, 1, 999, 1_000, 1_001, 30_000, 999_999, 3_600_000])(
    '[HELM-8] a drain of %i ms ends before the pod is killed, the pause before the signal counted in',
    async (drainMs) => {
      for (const preStopSeconds of [0, 300]) {
        const { spec, container } = await pod('minimal-values.yaml', { drainMs, preStopSeconds })
        expect(environmentOf(container).get('SLUICE_DRAIN_MS')).toBe(String(drainMs))
        const pause = Number(at(container, 'lifecycle', 'preStop', 'exec', 'command', 1) ?? 0)
        expect(pause).toBe(preStopSeconds)
        expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(pause + drainMs / 1000 + CLOSING_SECONDS)
      }
    },
  )

  test('[HELM-8] a grace period may be longer than needed, and a shorter one is refused with what is needed', async () => {
    const values = { drainMs: 60_001, preStopSeconds: 5 }
    const { spec } = await pod('minimal-values.yaml', { ...values, terminationGracePeriodSeconds: 76 })
    expect(spec.terminationGracePeriodSeconds).toBe(76)
    for (const terminationGracePeriodSeconds of [75, 0]) {
      const { code, errors } = await template('minimal-values.yaml', { ...values, terminationGracePeriodSeconds })
      expect(code).not.toBe(0)
      expect(errors).toContain('set 76 or more, or leave it out')
    }
  })

  test.each(examples)('[HELM-9] with %s secrets are references', async (example) => {
    const documents = await manifests(example)
    expect(documents.filter((document) => document.kind === 'Secret')).toEqual([])
    const { container } = await pod(example)
    const secrets = listAt(container, 'env')
      .map((entry) => nodeAt(entry))
      .filter(({ name }) => ['SLUICE_JWT_SECRET', 'OPENAI_API_KEY'].includes(String(name)))
    expect(secrets.length).toBeGreaterThan(0)
    for (const secret of secrets) expect(secret).toEqual({ name: secret.name, valueFrom: expect.anything() })
  })

  const passwords = [
    'redis://:hunter2@redis:6379',
    'redis://chat:hunter2@redis:6379/0',
    'rediss://chat:hun/ter2@redis:6380',
    'redis+sentinel://:hunter2@a:26379,b:26379/chat',
    'redis://redis:6379?password=hunter2',
  ]

  test.each(passwords)('[HELM-9] a password in redis.url is refused, and not repeated: %s', async (url) => {
    const { code, output, errors } = await template('minimal-values.yaml', { redis: { existingSecret: '', url } })
    expect(code).not.toBe(0)
    expect(errors).toContain('put the whole URL in a secret and set redis.existingSecret')
    expect(output + errors).not.toMatch(/hun\/?ter2/)
  })

  test.each(['SLUICE_JWT_SECRET', 'OPENAI_API_KEY', 'REDIS_URL'])(
    '[HELM-9] %s is not taken as a plain variable',
    async (name) => {
      const { code, output, errors } = await template('full-values.yaml', { extraEnv: [{ name, value: 'hunter2' }] })
      expect(code).not.toBe(0)
      expect(output + errors).not.toContain('hunter2')
    },
  )

  test.each(examples)('[HELM-10] the gateway knows and accepts all variables that are set with %s', async (example) => {
    const { container } = await pod(example)
    const environment = environmentOf(container)
    expect(environment.size).toBe(listAt(container, 'env').length)
    expect([...environment.keys()].filter((name) => !(name in variables.shape))).toEqual([])
    expect(readConfig(Object.fromEntries(environment))).toMatchObject({ kind: 'ok' })
  })

  test('[HELM-15] config is mounted as sluice.yaml, whole folders so that changes arrive, and the gateway accepts it', async () => {
    const target = { baseUrl: 'https://a.example:8443/v1', model: 'm', keys: [{ env: 'FIRST' }] }
    const limits = { waiting: 100, tokensPerMinute: 10_000_000_000 }
    const values = {
      openai: { existingSecret: '' },
      config: {
        version: 1,
        models: { fast: { targets: [{ target: 'a' }] } },
        targets: { a: { ...target, limits, price: { input: '0.10', output: '1' } } },
      },
      configSecrets: ['keys'],
    }
    const documents = await manifests('minimal-values.yaml', values)
    const text = at(ofKind(documents, 'ConfigMap'), 'data', 'sluice.yaml')
    expect(parsePolicyText('sluice.yaml', String(text))).toMatchObject({
      kind: 'ok',
      file: { targets: { a: { ...target, limits, price: { input: '0.10' } } } },
    })
    const { container } = await pod('minimal-values.yaml', values)
    expect(environmentOf(container).get('SLUICE_CONFIG_FILE')).toBe('/etc/sluice/config/sluice.yaml')
    expect(listAt(container, 'volumeMounts')).toEqual([
      { name: 'config', mountPath: '/etc/sluice/config', readOnly: true },
      { name: 'secrets-keys', mountPath: '/etc/sluice/secrets/keys', readOnly: true },
    ])
    const ports = listAt(ofKind(documents, 'NetworkPolicy'), 'spec', 'egress').flatMap((rule) => listAt(rule, 'ports'))
    expect(ports.map((port) => at(port, 'port'))).toContain(8443)
  })

  test('[HELM-10] no variable that a value sets can be set again', async () => {
    const { container } = await pod('full-values.yaml', { extraEnv: [] })
    const extraEnv = [...environmentOf(container).keys()].map((name) => ({ name, value: 'x' }))
    const { errors } = await template('full-values.yaml', { extraEnv })
    expect(extraEnv.length).toBeGreaterThan(20)
    for (const { name } of extraEnv) expect(errors).toMatch(new RegExp(`extraEnv sets ${name}; set \\S+ instead`))
  })

  test.each(examples)('[HELM-11] it may do nothing but its work, with %s', async (example) => {
    const { spec, container } = await pod(example)
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(nodeAt(container, 'resources')).toMatchObject({ requests: expect.anything(), limits: expect.anything() })
    for (const mount of listAt(container, 'volumeMounts')) expect(mount).toMatchObject({ readOnly: true })
  })

  test('[HELM-12] an update takes no pod away before another is ready, and probes ask routes that there are', async () => {
    const deployment = ofKind(await manifests('minimal-values.yaml'), 'Deployment')
    expect(at(deployment, 'spec', 'strategy', 'rollingUpdate')).toEqual({ maxUnavailable: 0, maxSurge: 1 })
    const { container } = await pod('minimal-values.yaml')
    const asked = ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) =>
      at(container, probe, 'httpGet', 'path'),
    )
    expect(asked).toEqual(['/healthz', '/healthz', '/readyz'])
    const routes = allRoutes.map((route) => route.path)
    expect(asked.filter((place) => !routes.includes(String(place)))).toEqual([])
  })

  test('[HELM-12] it runs the image’s own command on the image’s ports', async () => {
    const { container } = await pod('minimal-values.yaml')
    const dockerfile = readFileSync(path.join(root, 'Dockerfile'), 'utf8')
    expect(dockerfile).toContain(`CMD ${JSON.stringify(container.command).replaceAll(',', ', ')}`)
    const ports = listAt(container, 'ports').map((port) => nodeAt(port).containerPort)
    expect(dockerfile).toContain(`EXPOSE ${ports.join(' ')}`)
  })

  test('[HELM-13] other prompts are other pods, and the same are the same', async () => {
    const templateOf = async (text: string) => {
      const documents = await manifests('minimal-values.yaml', { prompts: { 'default.md': text } })
      return nodeAt(ofKind(documents, 'Deployment'), 'spec', 'template')
    }
    const [first, second, again] = await Promise.all([templateOf('One.'), templateOf('Two.'), templateOf('One.')])
    expect(second).not.toEqual(first)
    expect(again).toEqual(first)
  })

  const addresses: [string, number[]][] = [
    ['rediss://redis:6390/1', [6390]],
    ['redis://redis', [6379]],
    ['redis+sentinel://a,b:26380/chat', [26_379, 26_380]],
    ['redis+cluster://chat@a:7000,b:7001', [7000, 7001]],
  ]

  test.each(addresses)(
    '[HELM-14] the network policy lets out to the port of %s and every other address',
    async (url, expected) => {
      const values = {
        openai: { baseUrl: 'http://vllm:8000/v1' },
        jwt: { jwksUrl: 'https://id.example/keys' },
        redis: { existingSecret: '', url },
        networkPolicy: { egressPorts: [4318] },
      }
      const policy = ofKind(await manifests('minimal-values.yaml', values), 'NetworkPolicy')
      const ports = listAt(policy, 'spec', 'egress', 1, 'ports').map((entry) => nodeAt(entry).port)
      expect(ports).toEqual([4318, 8000, 443, ...expected])
    },
  )
})
