/**
 * System prompts: each `<name>.md` in a folder is a template, read once when the gateway starts, so that a mistake in one
 * stops the start and not a conversation. `{{date}}` (UTC, YYYY-MM-DD) and `{{model}}` are all the variables there are.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

interface PromptValues {
  readonly date: string
  readonly model: string
}

export interface Prompts {
  has(name: string): boolean
  /** The system prompt `name`; undefined when there is no such. */
  system(name: string, values: PromptValues): string | undefined
}

export const defaultPrompt = 'default'

const variable = /\{\{\s*([^{}]*?)\s*\}\}/g
const variables: ReadonlySet<string> = new Set<keyof PromptValues>(['date', 'model'])

/** Throws, naming file and variable, when a template is not readable, asks for an unknown variable, or `default` is missing. */
export function loadPrompts(folder: string): Prompts {
  const templates = new Map<string, string>()
  for (const file of filesOf(folder)) {
    if (!file.endsWith('.md')) continue
    templates.set(basename(file, '.md'), checked(readFileSync(join(folder, file), 'utf8').trim(), join(folder, file)))
  }
  if (!templates.has(defaultPrompt)) throw new Error(`unable to load prompts: ${folder} has no ${defaultPrompt}.md`)
  return {
    has: (name) => templates.has(name),
    system(name, values) {
      const filled = new Map(Object.entries(values))
      return templates.get(name)?.replace(variable, (_, key: string) => filled.get(key) ?? '')
    },
  }
}

function filesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch (cause) {
    throw new Error(`unable to load prompts: ${folder} is no folder that can be read; set SLUICE_PROMPTS_DIR`, {
      cause,
    })
  }
}

function checked(template: string, file: string): string {
  for (const [, name = ''] of template.matchAll(variable))
    if (!variables.has(name))
      throw new Error(`unable to load ${file}: unknown variable {{${name}}}; there are ${[...variables].join(', ')}`)
  return template
}
