/**
 * The real helm on the project's chart. `npm test` unpacks it and names it in SLUICE_TEST_HELM; where there is none the
 * bootstrap says what was not run, and in CI it fails before any test.
 */
import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse, parseAllDocuments } from 'yaml'

const helm = process.env.SLUICE_TEST_HELM
export const hasHelm = helm !== undefined && helm !== ''

export const root = path.resolve(import.meta.dirname, '..', '..')
export const chart = path.join(root, 'helm')

/** The sets of values beside the chart; each is an example, and renders. */
export const examples = globSync('*-values.yaml', { cwd: path.join(chart, 'ci') }).toSorted()

const HELM_TIMEOUT_MS = 20_000
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024

export type Values = Readonly<Record<string, unknown>>
/** A manifest, or a part of one. */
export type Node = { readonly [key: string]: unknown }

export type Ran = { readonly code: number; readonly output: string; readonly errors: string }

function run(args: readonly string[], input = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const options = { timeout: HELM_TIMEOUT_MS, maxBuffer: OUTPUT_MAX_BYTES }
    const child = execFile(helm ?? 'helm', args, options, (error, output, errors) => {
      resolve({ code: error === null ? 0 : (child.exitCode ?? -1), output, errors })
    })
    child.stdin?.end(input)
  })
}

const valuesFile = (example: string) => path.join(chart, 'ci', example)

export const lint = (example: string): Promise<Ran> => run(['lint', '--strict', chart, '-f', valuesFile(example)])

/** `helm template` with an example (none: the defaults alone), and more values on top of it. */
export function template(example: string | undefined, values: Values = {}, more: readonly string[] = []): Promise<Ran> {
  const base = example === undefined ? [] : ['-f', valuesFile(example)]
  // JSON is YAML, and a number in it becomes a float in helm, as from any values file.
  return run(['template', 'chat', chart, ...base, '-f', '-', ...more], JSON.stringify(values))
}

/** The manifests that an example renders to. */
export async function manifests(example: string, values: Values = {}): Promise<Node[]> {
  const { code, output, errors } = await template(example, values)
  if (code !== 0) throw new Error(errors)
  return parseAllDocuments(output).map((document) => {
    if (document.errors.length > 0) throw document.errors[0]
    return asNode(document.toJS())
  })
}

/** What a manifest's path leads to: `at(deployment, 'spec', 'template', 'spec', 'containers', 0)`. */
export function at(value: unknown, ...keys: readonly (string | number)[]): unknown {
  let here: unknown = value
  for (const key of keys) here = isIndexed(here) ? here[key] : undefined
  return here
}

export const nodeAt = (value: unknown, ...keys: readonly (string | number)[]): Node => asNode(at(value, ...keys))

export function listAt(value: unknown, ...keys: readonly (string | number)[]): readonly unknown[] {
  const found = at(value, ...keys)
  return Array.isArray(found) ? found : []
}

export function ofKind(documents: readonly Node[], kind: string): Node {
  const found = documents.find((document) => document.kind === kind)
  if (found === undefined) throw new Error(`no ${kind} among ${documents.map((document) => document.kind).join(', ')}`)
  return found
}

/** The one pod that the chart makes, and its container. */
export async function pod(example: string, values: Values = {}): Promise<{ spec: Node; container: Node }> {
  const spec = nodeAt(ofKind(await manifests(example, values), 'Deployment'), 'spec', 'template', 'spec')
  return { spec, container: nodeAt(spec, 'containers', 0) }
}

export const readYaml = (file: string): unknown => parse(readFileSync(file, 'utf8'))

function isIndexed(value: unknown): value is { readonly [key: string | number]: unknown } {
  return typeof value === 'object' && value !== null
}

function asNode(value: unknown): Node {
  if (!isIndexed(value)) throw new Error(`expected a mapping, found ${JSON.stringify(value)}`)
  return value
}
