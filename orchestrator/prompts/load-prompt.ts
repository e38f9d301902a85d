/** One prompt of a folder: its versions with their texts, its labels, its experiments; or a file without versions. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Experiment } from './experiment.ts'
import { type ExperimentEntry, type PromptFile, productionLabel, readPromptFile } from './prompt-files.ts'
import type { LoadedPrompt, PromptVersion } from './prompts.ts'
import { compileTemplate, type Template } from './template.ts'

export const promptFile = 'prompt.yaml'
const versionFile = /^v([1-9]\d{0,8})\.md$/

type Versions = ReadonlyMap<number, unknown>
type Labels = ReadonlyMap<string, number>

/** Throws, naming the file and what to do. */
export function loadFile(path: string, name: string): LoadedPrompt {
  const bytes = readFileSync(path)
  const only = { version: 0, sha256: sha256Of(bytes), date: '', changed: '', ...compiled(path, bytes) }
  return { name, versions: new Map([[0, only]]), labels: new Map([[productionLabel, 0]]), experiments: [] }
}

/** As above: a prompt with its versions. */
export function loadFolder(folder: string, name: string): LoadedPrompt {
  const path = join(folder, promptFile)
  const file = readPromptFile(path)
  const versions = new Map<number, PromptVersion>()
  for (const entry of file.versions) {
    if (versions.has(entry.version)) throw new Error(`unable to load ${path}: version ${entry.version} is listed twice`)
    versions.set(entry.version, versionAt(join(folder, `v${entry.version}.md`), entry))
  }
  for (const one of readdirSync(folder)) checkListed(join(folder, one), one, versions)
  const labels = labelsOf(path, file, versions)
  return { name, versions, labels, experiments: experimentsOf(path, file, versions, labels) }
}

function versionAt(path: string, entry: PromptFile['versions'][number]): PromptVersion {
  const bytes = readFileSync(path)
  const found = sha256Of(bytes)
  if (found !== entry.sha256)
    throw new Error(
      `unable to load ${path}: it was edited (its SHA-256 is ${found}, ${promptFile} says ${entry.sha256}). A version never changes: take the edit back, and make a new version of it`,
    )
  return { ...entry, ...compiled(path, bytes) }
}

/** A text that is in no list is most likely one that somebody forgot to list. */
function checkListed(path: string, name: string, versions: Versions): void {
  const [, digits] = versionFile.exec(name) ?? []
  if (digits === undefined || versions.has(Number(digits))) return
  throw new Error(
    `unable to load ${path}: ${promptFile} does not list it; add \`- { version: ${digits}, sha256: ${sha256Of(readFileSync(path))}, date: …, changed: … }\` to its versions`,
  )
}

function compiled(path: string, bytes: Buffer): Template {
  try {
    return compileTemplate(bytes.toString())
  } catch (cause) {
    throw new Error(`unable to load ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function labelsOf(path: string, file: PromptFile, versions: Versions): Labels {
  const labels = new Map(Object.entries(file.labels))
  if (!labels.has(productionLabel)) throw new Error(`unable to load ${path}: there is no label ${productionLabel}`)
  for (const [label, version] of labels)
    if (!versions.has(version))
      throw new Error(`unable to load ${path}: label ${label} points at version ${version}, which is not listed`)
  return labels
}

function experimentsOf(path: string, file: PromptFile, versions: Versions, labels: Labels): readonly Experiment[] {
  return Object.entries(file.experiments ?? {}).map(([name, entry]) => {
    const place = `${path}: experiment ${name}`
    const variants = Object.entries(entry.variants).map(([variant, written]) => {
      const version = versionFor(`${place}, variant ${variant}`, written, versions, labels)
      return { name: variant, version, weight: written.weight }
    })
    if (variants.every(({ weight }) => weight === 0))
      throw new Error(`unable to load ${place}: no variant has a weight`)
    return {
      name,
      flag: entry.flag,
      channels: entry.channels === undefined ? 'all' : new Set(entry.channels),
      variants,
    }
  })
}

function versionFor(
  place: string,
  written: ExperimentEntry['variants'][string],
  versions: Versions,
  labels: Labels,
): number {
  const { label } = written
  const version = label === undefined ? written.version : labels.get(label)
  if (version !== undefined && versions.has(version)) return version
  throw new Error(
    `unable to load ${place}: there is no ${label === undefined ? `version ${written.version}` : `label ${label}`}`,
  )
}
