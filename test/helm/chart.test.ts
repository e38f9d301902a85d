/** The chart as helm and Kubernetes see it: it renders, to what Kubernetes knows, or says what to do instead. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseDocument, visit } from 'yaml'
import {
  chart,
  examples,
  hasHelm,
  lint,
  manifests,
  type Node,
  nodeAt,
  ofKind,
  readYaml,
  root,
  template,
} from './helm.ts'
import { schemaProblems } from './kubernetes-schema.ts'

describe.runIf(hasHelm)('the chart', () => {
  test.each(examples)('[HELM-1] helm lint --strict accepts it with %s', async (example) => {
    const { code, output } = await lint(example)
    expect(output).toContain('0 chart(s) failed')
    expect(code).toBe(0)
  })

  test.each(examples)('[HELM-2] Kubernetes’ schemas know all that it renders with %s', async (example) => {
    const found = await Promise.all((await manifests(example)).map(schemaProblems))
    expect(found.flat()).toEqual([])
  })

  test('[HELM-2] the largest example has every kind that the chart can make, each name once', async () => {
    const documents = await manifests('full-values.yaml')
    const kinds = documents.map((document) => String(document.kind)).toSorted()
    expect(kinds).toEqual([
      'ConfigMap',
      'ConfigMap',
      'Deployment',
      'HorizontalPodAutoscaler',
      'Ingress',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceAccount',
      'ServiceMonitor',
    ])
    const names = documents.map((document) => `${document.kind} ${nodeAt(document, 'metadata').name}`)
    expect(new Set(names).size).toBe(names.length)
  })

  const planted: [string, Node, string][] = [
    [
      'a misspelt field',
      { spec: { template: { spec: { containers: [{ name: 'a', readinesProbe: {} }] } } } },
      'readines',
    ],
    ['a misspelt field at the top', { metdata: {} }, '/metdata is unknown'],
    ['text for a number', { spec: { replicas: 'two' } }, 'data/spec/replicas must be integer'],
    ['a missing field', { spec: { selector: undefined } }, 'must have required property selector'],
    ['another API version', { apiVersion: 'apps/v0' }, 'apps/v0 Deployment is no kind'],
  ]

  test.each(planted)('[HELM-2] %s is found', async (_what, change, problem) => {
    const deployment = ofKind(await manifests('minimal-values.yaml'), 'Deployment')
    const spec = { ...nodeAt(deployment, 'spec'), ...(change.spec === undefined ? {} : nodeAt(change, 'spec')) }
    const problems = await schemaProblems({ ...deployment, ...change, spec })
    expect(problems.join('\n')).toContain(problem)
  })

  test('[HELM-3] with its defaults it renders nothing, and says what is missing and what to set', async () => {
    const { code, output, errors } = await template(undefined)
    expect(code).not.toBe(0)
    expect(output).toBe('')
    for (const advice of [
      'set jwt.existingSecret, jwt.publicKeys.existingConfigMap or jwt.jwksUrl',
      'jwt.issuer is missing; set',
      'jwt.audience is missing; set',
      'no provider; set openai.existingSecret',
      'set redis.existingSecret or redis.url, or replicaCount: 1',
    ])
      expect(errors).toContain(advice)
  })

  // Helm 3 and 4 have other words for it, but both name the field.
  const misspelt: [string, Node, string][] = [
    ['a value that there is not', { drainMS: 1000 }, 'drainMS'],
    ['one inside another', { jwt: { isuer: 'x' } }, 'isuer'],
    ['a secret written into the values', { jwt: { secret: 'x' } }, 'secret'],
    ['a word that is none of its words', { turns: { takeOver: 'resume' } }, 'takeOver'],
    ['text for a number', { drainMs: '30s' }, 'drainMs'],
    ['no pod', { replicaCount: 0 }, 'replicaCount'],
    ['a drain longer than the gateway takes', { drainMs: 3_600_001 }, 'drainMs'],
    ['root', { runAsUser: 0 }, 'runAsUser'],
    ['a variable with neither value nor source', { extraEnv: [{ name: 'A' }] }, 'extraEnv'],
    ['a budget of nothing', { podDisruptionBudget: { maxUnavailable: 0 } }, 'maxUnavailable'],
    ['labels that select the pods', { podLabels: { 'app.kubernetes.io/name': 'x' } }, 'app.kubernetes.io/name'],
  ]

  test.each(misspelt)('[HELM-4] %s is refused, with its place', async (_what, values, place) => {
    const { code, errors } = await template('minimal-values.yaml', values)
    expect(code).not.toBe(0)
    expect(errors).toContain(place)
  })

  test('[CONF-300] a key set over http is taken with the switch in extraEnv', async () => {
    const extraEnv = [{ name: 'SLUICE_JWT_JWKS_HTTP', value: 'allow' }]
    const { code } = await template('minimal-values.yaml', { jwt: { jwksUrl: 'http://keycloak:8080/certs' }, extraEnv })
    expect(code).toBe(0)
  })

  const noRedis = { existingSecret: '' }
  const conflicts: [string, Node, string][] = [
    ['no key', { jwt: { existingSecret: '' } }, 'no JWT key'],
    ['no issuer', { jwt: { issuer: '' } }, 'jwt.issuer is missing'],
    [
      'a key set over http',
      { jwt: { jwksUrl: 'http://keycloak:8080/certs' } },
      'SLUICE_JWT_JWKS_HTTP: allow in extraEnv',
    ],
    ['public keys without names', { jwt: { publicKeys: { existingConfigMap: 'x' } } }, 'jwt.publicKeys needs both'],
    ['no provider', { openai: { existingSecret: '' } }, 'set openai.existingSecret, or openai.baseUrl'],
    ['two pods without Redis', { redis: noRedis }, 'set redis.existingSecret or redis.url, or replicaCount: 1'],
    [
      'autoscaling without Redis',
      { redis: noRedis, replicaCount: 1, autoscaling: { enabled: true } },
      'or autoscaling.enabled: false',
    ],
    ['two addresses of Redis', { redis: { url: 'redis://redis:6379' } }, 'set one'],
    [
      'fewest pods above most',
      { autoscaling: { enabled: true, minReplicas: 9, maxReplicas: 8 } },
      'minReplicas is above maxReplicas',
    ],
    ['an ingress without host', { ingress: { enabled: true } }, 'set ingress.hosts'],
    [
      'a monitor of nothing',
      { metrics: { enabled: false, serviceMonitor: { enabled: true } } },
      'set metrics.enabled: true',
    ],
    ['a configuration without its version', { config: { cache: { enabled: true } } }, 'begin it with version: 1'],
    [
      'two places for the provider',
      { openai: { model: 'gpt-x' }, config: { version: 1, targets: { a: {} } } },
      'config.targets and openai.baseUrl or openai.model are both set',
    ],
    ['prompts without the default', { prompts: { 'other.md': 'x' } }, 'prompts has no default.md'],
    ['a variable that a value sets', { extraEnv: [{ name: 'SLUICE_DRAIN_MS', value: '1' }] }, 'set drainMs instead'],
  ]

  test.each(conflicts)('[HELM-5] %s is refused, with what to do', async (_what, values, advice) => {
    const { code, errors } = await template('minimal-values.yaml', values)
    expect(code).not.toBe(0)
    expect(errors).toContain(advice)
  })
})

describe('the chart’s files', () => {
  test('[HELM-6] every value has a comment, and a place in the schema', () => {
    const values = readFileSync(path.join(chart, 'values.yaml'), 'utf8')
    expect(uncommented(values)).toEqual([])
    const schema = JSON.parse(readFileSync(path.join(chart, 'values.schema.json'), 'utf8'))
    expect(Object.keys(schema.properties).filter((name) => name !== 'global')).toEqual(
      Object.keys(nodeAt(readYaml(path.join(chart, 'values.yaml')))),
    )
  })

  test('[HELM-6] a value without a comment is found', () => {
    expect(uncommented('# What it is.\na: 1\nb:\n  # This.\n  c: 1\n  d: 2\n')).toEqual(['d'])
  })

  test('[HELM-7] it installs the version that it lies beside', () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
    expect(readYaml(path.join(chart, 'Chart.yaml'))).toMatchObject({ appVersion: version, version })
  })
})

/** Values without a comment above them; a mapping is explained by what is in it. */
function uncommented(text: string): string[] {
  const found: string[] = []
  visit(parseDocument(text), {
    Pair(_position, pair, ancestors) {
      const isMapping = hasItems(pair.value) && !isFlow(pair.value)
      if (!isMapping && !hasComment(text, pair.key)) found.push(String(pair.key))
      // An example map (annotations, labels) is one value, whatever is in it.
      return ancestors.length > 0 && hasComment(text, pair.key) && isMapping ? visit.SKIP : undefined
    },
  })
  return found
}

function hasItems(value: unknown): value is { readonly items: readonly unknown[]; readonly flow?: boolean } {
  return typeof value === 'object' && value !== null && 'items' in value
}

const isFlow = (value: { readonly flow?: boolean }): boolean => value.flow === true

/** The line before the key's own is a comment. */
function hasComment(text: string, key: unknown): boolean {
  if (typeof key !== 'object' || key === null || !('range' in key) || !Array.isArray(key.range)) return false
  const before = text.slice(0, Number(key.range[0])).split('\n')
  return /^\s*#/.test(before.at(-2) ?? '')
}
