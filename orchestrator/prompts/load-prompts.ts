/**
 * Reads a folder of prompts, whole or not at all, so that a mistake in it stops a start or a reload and not a conversation.
 *
 * ```text
 * assignments.yaml            who is answered with which prompt
 * default/prompt.yaml         versions with their hashes, labels, experiments
 * default/v1.md, v2.md, …     the texts: each is the same for ever
 * other.md                    a prompt without versions, as in 0.2: its text is `production`
 * ```
 */
import { type Dirent, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { idPattern } from '../../protocol/limits.ts'
import { orderAssignments } from './assignments.ts'
import { promptsMax, staticShare } from './limits.ts'
import { loadFile, loadFolder, promptFile } from './load-prompt.ts'
import { type Assignment, readAssignments } from './prompt-files.ts'
import { createPrompts, defaultPrompt, type LoadedPrompt, type LoadedPrompts } from './prompts.ts'

const assignmentsFile = 'assignments.yaml'

/** Throws, naming the file and what to do, whatever is wrong in the folder. */
export function loadPrompts(folder: string): LoadedPrompts {
  const prompts = new Map<string, LoadedPrompt>()
  let rules: readonly Assignment[] = []
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name)
    if (entry.name === assignmentsFile) rules = assignmentsOf(path)
    const prompt = promptAt(path, entry)
    if (prompt === undefined) continue
    if (prompts.has(prompt.name)) throw new Error(`unable to load ${path}: there is a folder of that name, and a file`)
    prompts.set(prompt.name, prompt)
  }
  if (prompts.size > promptsMax) throw new Error(`unable to load prompts: ${folder} has more than ${promptsMax}`)
  if (!prompts.has(defaultPrompt))
    throw new Error(
      `unable to load prompts: ${folder} has no ${defaultPrompt}/${promptFile} and no ${defaultPrompt}.md`,
    )
  for (const rule of rules) checkAssignment(join(folder, assignmentsFile), rule, prompts)
  return createPrompts(prompts, rules, warningsOf(prompts))
}

function promptAt(path: string, entry: Dirent): LoadedPrompt | undefined {
  // A folder of Kubernetes has names that begin with two dots, and links to what is in them.
  if (entry.name.startsWith('.')) return undefined
  if (statSync(path).isDirectory()) return loadFolder(path, checkedName(path, entry.name))
  return entry.name.endsWith('.md') ? loadFile(path, checkedName(path, basename(entry.name, '.md'))) : undefined
}

function checkedName(path: string, name: string): string {
  if (!idPattern.test(name)) throw new Error(`unable to load ${path}: a prompt's name must match [A-Za-z0-9_-]{1,64}`)
  return name
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (cause) {
    throw new Error(`unable to load prompts: ${folder} is no folder that can be read; set SLUICE_PROMPTS_DIR`, {
      cause,
    })
  }
}

function assignmentsOf(path: string): readonly Assignment[] {
  try {
    return orderAssignments(readAssignments(path))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(reason.startsWith('unable') ? reason : `unable to load ${path}: ${reason}`, { cause })
  }
}

function checkAssignment(path: string, rule: Assignment, prompts: ReadonlyMap<string, LoadedPrompt>): void {
  const prompt = prompts.get(rule.prompt)
  if (prompt === undefined) throw new Error(`unable to load ${path}: there is no prompt ${rule.prompt}`)
  if (rule.label !== undefined && !prompt.labels.has(rule.label))
    throw new Error(`unable to load ${path}: prompt ${rule.prompt} has no label ${rule.label}`)
}

function warningsOf(prompts: ReadonlyMap<string, LoadedPrompt>): readonly string[] {
  return [...prompts.values()].flatMap(({ name, versions, labels }) =>
    [...new Set(labels.values())].flatMap((version) => {
      const found = versions.get(version)
      if (found === undefined || found.staticLength >= found.text.length * staticShare) return []
      return `prompt ${name}, version ${version}: a variable stands in its first half, so that providers cache little of it; put what changes last`
    }),
  )
}
