/**
 * What stands in a prompts' folder beside the texts: `<name>/prompt.yaml`, which says what each version is and which one
 * counts, and `assignments.yaml`, which says who is answered with which prompt.
 */
import { readFileSync } from 'node:fs'
import { isScalar, LineCounter, parseDocument, visit, type YAMLMap } from 'yaml'
import { z } from 'zod'
import { id, sha256 } from '../../protocol/shapes.ts'
import { assignmentsMax, parametersMax, shownKeyLength, versionsMax, yamlAliases, yamlCharacters } from './limits.ts'

const versionNumber = z.int().min(1)
/** What a label points at unless somebody asks for another. */
export const productionLabel = 'production'

const version = z.strictObject({
  version: versionNumber,
  /** Of the file's bytes: a version is one text for ever. */
  sha256,
  date: z.iso.date(),
  /** A line for the people who read the changelog. */
  changed: z.string().min(1),
  /** Members of the request's body, such as `temperature`; a target takes those that its `promptMayChange` names. */
  parameters: z
    .record(z.string().regex(/^[a-z]\w{0,63}$/), z.json())
    .refine(
      (parameters) => Object.keys(parameters).length <= parametersMax,
      `has more than ${parametersMax} parameters`,
    )
    .exactOptional(),
})

const weight = z.int().min(0).max(1_000_000)
const variant = z
  .strictObject({ version: versionNumber.exactOptional(), label: id.exactOptional(), weight })
  .refine(({ version, label }) => (version === undefined) !== (label === undefined), 'must name a version or a label')

const experiment = z.strictObject({
  /** The feature flag that switches it on. */
  flag: id,
  /** Only sessions of these channels take part. Default: all. */
  channels: z.array(id).min(1).exactOptional(),
  variants: z.record(id, variant),
})

const promptFile = z.strictObject({
  versions: z.array(version).min(1).max(versionsMax),
  labels: z.record(id, versionNumber),
  experiments: z.record(id, experiment).exactOptional(),
})

const text = z.string().min(1)
const assignment = z.strictObject({
  prompt: id,
  label: id.exactOptional(),
  tenant: text.exactOptional(),
  project: text.exactOptional(),
  channel: id.exactOptional(),
  user: text.exactOptional(),
})

export type PromptFile = z.infer<typeof promptFile>
export type ExperimentEntry = z.infer<typeof experiment>
export type Assignment = z.infer<typeof assignment>

/** Throws, naming the file and what in it is wrong. */
export function readPromptFile(path: string): PromptFile {
  return readYaml(path, promptFile)
}

/** As above. */
export function readAssignments(path: string): readonly Assignment[] {
  return readYaml(path, z.array(assignment).max(assignmentsMax).nullable()) ?? []
}

function readYaml<Shape extends z.ZodType>(path: string, shape: Shape): z.infer<Shape> {
  const written = readFileSync(path, 'utf8')
  if (written.length > yamlCharacters) throw new Error(`unable to load ${path}: above ${yamlCharacters} characters`)
  const read = shape.safeParse(parseYaml(path, written))
  if (read.success) return read.data
  const problems = read.error.issues.map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`)
  throw new Error(`unable to load ${path}: ${problems.join('; ')}`)
}

function parseYaml(path: string, written: string): unknown {
  try {
    // The package compares each key of a mapping with all before it, which takes quadratic time.
    // So does its printing of the places of many mistakes: the first one is told here.
    const lines = new LineCounter()
    const document = parseDocument(written, { uniqueKeys: false, prettyErrors: false, lineCounter: lines })
    const fault = document.errors[0] ?? document.warnings[0]
    if (fault !== undefined) {
      const { line, col } = lines.linePos(fault.pos[0])
      throw new Error(`${fault.message} (line ${line}, column ${col})`)
    }
    visit(document, { Map: (_, mapping) => checkKeys(mapping) })
    return document.toJS({ maxAliasCount: yamlAliases })
  } catch (cause) {
    throw new Error(`unable to load ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function checkKeys({ items }: YAMLMap): void {
  const names = new Set<string>()
  for (const { key } of items) {
    if (!isScalar(key)) throw new Error('a list or a mapping is used as a key; a key is a name')
    const name = String(key.value)
    if (names.has(name))
      throw new Error(`the key ${name.slice(0, shownKeyLength)} is there twice; remove one of the two`)
    names.add(name)
  }
}
