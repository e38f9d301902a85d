/**
 * The policy out of its sources: `sluice.yaml` with the files that it names, and the environment.
 *
 * In two steps. A *reading* is what is in the files now; it never fails, and two of them can be compared. A reading is
 * then *judged*: to a policy, whole, or to all that is wrong with it.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Policy } from '../../../orchestrator/policy.ts'
import type { Environment } from '../../config.ts'
import type { Config } from '../shape.ts'
import { policyFileBytes, problemsMax } from './bounds.ts'
import { buildPolicy } from './build.ts'
import { type FileText, readFileText } from './file-text.ts'
import { type NamedFiles, readNamedFiles, resolveReferences } from './named-files.ts'
import { type Problem, problemText } from './problem.ts'
import { findReferences, type IsSet } from './references.ts'
import { type PolicyFile, policyFile } from './schema.ts'
import { checkShape } from './schema-problems.ts'
import type { SecretFiles } from './secret-files.ts'
import { readYaml } from './yaml-text.ts'

export interface PolicySources {
  readonly config: Config
  /** That `config` was read from: for `{ env: … }`, and for what is set there and in the file. */
  readonly environment: Environment
  /** Where the provider is (up to and with `/v1`) when neither file nor environment name one; absent: that is a problem. */
  readonly bundledProvider?: () => Promise<string>
}

/** Looked for in the working directory when `SLUICE_CONFIG_FILE` names none. */
const standardFile = 'sluice.yaml'

export const configFileOf = ({ config }: PolicySources): string => config.policy.file ?? standardFile

type Parsed =
  | { readonly kind: 'ok'; readonly file: PolicyFile; readonly textOf: (problem: Problem) => string }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] }

export interface Reading {
  readonly text: FileText
  /** Undefined: there is no file, and none was asked for. */
  readonly parsed: Parsed | undefined
  readonly named: NamedFiles
  /** Of everything, and of everything but the secrets: equal for readings that say the same. */
  readonly print: string
  readonly policyPrint: string
}

/**
 * Never rejects. `secretPaths`: files of secrets that are read too, whatever the file says now. `before`: a text that is the same as
 * then is not parsed again, which holds the event loop.
 */
export async function readSources(
  sources: PolicySources,
  secretPaths: readonly string[],
  before?: Pick<Reading, 'text' | 'parsed'>,
): Promise<Reading> {
  const name = configFileOf(sources)
  const text = await readFileText(name, policyFileBytes)
  const isSame = before !== undefined && isDeepStrictEqual(text, before.text)
  const parsed = isSame ? before.parsed : parseText(name, text, sources.config.policy.file !== undefined)
  const named = await readNamedFiles(name, parsed?.kind === 'ok' ? parsed.file : undefined, secretPaths)
  const policyPrint = printOf([['', text], ...named.words, ...named.pems])
  return { text, parsed, named, policyPrint, print: printOf([...named.secrets]) + policyPrint }
}

/** Of a secret too, so it is a hash. */
function printOf(texts: readonly (readonly [string, FileText])[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('base64')
}

function parseText(name: string, text: FileText, isAskedFor: boolean): Parsed | undefined {
  const wrong = (words: string): Parsed => ({ kind: 'wrong', problems: [`${name} ${words}`] })
  if (text.kind === 'wrong') return wrong(text.words)
  if (text.kind === 'absent')
    return isAskedFor ? wrong('is not there; make it, or unset SLUICE_CONFIG_FILE') : undefined
  return parsePolicyText(name, text.text)
}

/** Never throws. `name` begins each problem. */
export function parsePolicyText(name: string, text: string): Parsed {
  const yaml = readYaml(text)
  if (yaml.kind === 'wrong') {
    const start = { line: 1, column: 1 }
    return {
      kind: 'wrong',
      problems: bounded(yaml.problems.map((problem) => problemText(name, problem, problem.at ?? start))),
    }
  }
  const textOf = (problem: Problem) => problemText(name, problem, problem.at ?? yaml.locate(problem.path))
  const shape = checkShape(yaml.value, yaml.locateKey)
  return shape.kind === 'ok'
    ? { kind: 'ok', file: shape.file, textOf }
    : { kind: 'wrong', problems: bounded(shape.problems.map(textOf)) }
}

function bounded(problems: readonly string[]): readonly string[] {
  if (problems.length <= problemsMax) return problems
  return [...problems.slice(0, problemsMax), `… and ${problems.length - problemsMax} more`]
}

export type PolicyResult =
  | {
      readonly kind: 'ok'
      readonly policy: Policy
      /** As problems, but of what may be meant so. */
      readonly warnings: readonly string[]
      readonly secretPaths: ReadonlySet<string>
    }
  /** Each says where, what is wrong and what to do, and contains no value. */
  | { readonly kind: 'invalid'; readonly problems: readonly string[] }

/** `cells` have taken the reading's secrets over. */
export async function judge(reading: Reading, sources: PolicySources, cells: SecretFiles): Promise<PolicyResult> {
  const { parsed = withoutFile, named } = reading
  if (parsed.kind === 'wrong') return { kind: 'invalid', problems: parsed.problems }
  const { file, textOf } = parsed
  const isSet: IsSet = (name) => (sources.environment[name] ?? '').trim() !== ''
  const found = findReferences(file, isSet)
  const resolved = resolveReferences(configFileOf(sources), file, sources.environment, named, cells)
  const problems = [...found.problems, ...resolved.problems].map(textOf)
  const needsBundled = file.targets === undefined && sources.config.provider.endpoint.kind === 'bundled'
  if (needsBundled && sources.bundledProvider === undefined) problems.push(noProvider)
  if (problems.length > 0) return { kind: 'invalid', problems: bounded(problems) }
  const bundledProviderUrl = needsBundled ? await sources.bundledProvider?.() : undefined
  const policy = buildPolicy({ file, config: sources.config, isSet, bundledProviderUrl, ...resolved })
  return { kind: 'ok', policy, warnings: bounded(found.warnings.map(textOf)), secretPaths: resolved.secretPaths }
}

const noProvider =
  'no provider; set OPENAI_API_KEY or OPENAI_BASE_URL, or models and targets in sluice.yaml (`sluice start` brings a model server to try with)'

const emptyFile: PolicyFile = policyFile.parse({ version: 1 })
const withoutFile: Parsed = { kind: 'ok', file: emptyFile, textOf: ({ words }) => words }

/** The policy of an environment without a file. Throws without a provider: `bundledProviderUrl` for one that names none. */
export function policyOfEnvironment(config: Config, bundledProviderUrl?: string): Policy {
  const missing = () => {
    throw new Error('unable to build the policy: without a file nothing is referred to')
  }
  const parts = { config, bundledProviderUrl, file: emptyFile, isSet: () => true }
  return buildPolicy({ ...parts, secretOf: missing, wordsOf: missing, pemOf: missing })
}
