import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { openPolicy, type PolicyOpening } from '../../../../gateway/config/policy/live-policy.ts'
import type { PolicySources } from '../../../../gateway/config/policy/read-policy.ts'
import { type Environment, readConfig } from '../../../../gateway/config.ts'
import type { Policy } from '../../../../orchestrator/policy.ts'

/** A folder of its own for one test. */
export async function folder(): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sluice-config-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export function sourcesOf(environment: Environment, bundledUrl = 'http://127.0.0.1:9/v1'): PolicySources {
  const read = readConfig(environment)
  if (read.kind === 'invalid') throw new Error(read.problems.join('\n'))
  return { config: read.config, environment, bundledProvider: async () => bundledUrl }
}

/** Opens a `sluice.yaml` with this text. */
export async function opened(text: string | Uint8Array, environment: Environment = {}): Promise<PolicyOpening> {
  const file = path.join(await folder(), 'sluice.yaml')
  await writeFile(file, text)
  return openPolicy(sourcesOf({ ...environment, SLUICE_CONFIG_FILE: file }))
}

export async function policyIn(text: string, environment: Environment = {}): Promise<Policy> {
  const opening = await opened(text, environment)
  if (opening.kind === 'invalid') throw new Error(opening.problems.join('\n'))
  return opening.live.current()
}

/** What is wrong with it, each problem as if the file were `sluice.yaml` of this folder. */
export async function problemsIn(text: string | Uint8Array, environment: Environment = {}): Promise<readonly string[]> {
  const opening = await opened(text, environment)
  return opening.kind === 'ok' ? [] : opening.problems.map((problem) => problem.replace(/^\S*\/(?=sluice\.yaml)/, ''))
}

export async function warningsIn(text: string, environment: Environment = {}): Promise<readonly string[]> {
  const opening = await opened(text, environment)
  if (opening.kind === 'invalid') throw new Error(opening.problems.join('\n'))
  return opening.warnings.map((warning) => warning.replace(/^\S*\/(?=sluice\.yaml)/, ''))
}
