import { resolve } from 'node:path'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import { productionLabel } from '../../orchestrator/prompts/prompt-files.ts'
import {
  type LoadedPrompt,
  type LoadedPrompts,
  type PromptVersion,
  versionOf,
} from '../../orchestrator/prompts/prompts.ts'
import { type PromptValues, variableNames } from '../../orchestrator/prompts/template.ts'

/** The folder that a gateway of this environment reads, or another one. Throws, naming the mistake, when it has one. */
export function openPrompts(folder: string | undefined): LoadedPrompts {
  const named = folder ?? process.env.SLUICE_PROMPTS_DIR ?? 'prompts'
  return loadPrompts(folder === undefined ? resolve(import.meta.dirname, '..', '..', named) : resolve(named))
}

/** What `name`, `name@label` or `name@version` stands for: without more its production. Throws, saying what there is. */
export function findVersion(
  prompts: LoadedPrompts,
  reference: string,
): { prompt: LoadedPrompt; version: PromptVersion } {
  const [name = '', which = productionLabel] = reference.split('@', 2)
  const prompt = prompts.prompts.get(name)
  if (prompt === undefined)
    throw new Error(`unable to find prompt ${name}; there are ${[...prompts.prompts.keys()].join(', ')}`)
  const number = prompt.labels.get(which) ?? Number(which.replace(/^v/, ''))
  if (!prompt.versions.has(number)) throw new Error(`unable to find ${reference}; there are ${whatIs(prompt)}`)
  return { prompt, version: versionOf(prompt, number) }
}

function whatIs({ labels, versions }: LoadedPrompt): string {
  return `the labels ${[...labels.keys()].join(', ')} and the versions ${[...versions.keys()].join(', ')}`
}

/** Of `name=value` each; what is not among them is today, a model and a tenant of no meaning, and nothing. Throws for an unknown name. */
export function readValues(pairs: readonly string[]): PromptValues {
  const given = new Map<string, string>()
  for (const pair of pairs) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(pair) ?? []
    if (!variableNames.some((known) => known === name))
      throw new Error(`unable to use --var ${pair}: it is name=value, of ${variableNames.join(', ')}`)
    given.set(name, value)
  }
  const today = { date: new Date().toISOString().slice(0, 10), model: 'sluice-demo', tenant: 'default' }
  return { ...today, ...Object.fromEntries(given) }
}
