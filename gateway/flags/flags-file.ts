/**
 * The file that flags are switched with: YAML, or JSON, which is YAML too.
 *
 * ```yaml
 * hedging: false                   # for everybody
 * cache:
 *   on: true
 *   tenants: { acme: false }       # but not for these
 * prompt-tone:
 *   on: false
 *   tenants: { acme: true }
 *   projects: { help: false }      # a project's word goes before its tenant's,
 *   users: { ada: true }           # and a user's before both
 * ```
 */
import type { EvaluationContext } from '@openfeature/server-sdk'
import { z } from 'zod'
import { idPattern } from '../../protocol/limits.ts'
import { readYaml } from '../config/policy/yaml-text.ts'
import { flagsFileCharacters, flagsMax, problemsShown } from './limits.ts'

const switches = z.record(z.string().min(1), z.boolean()).exactOptional()
const flag = z.union(
  [z.boolean(), z.strictObject({ on: z.boolean(), tenants: switches, projects: switches, users: switches })],
  'must be true, false, or { on, tenants?, projects?, users? } of true and false',
)
const flagsFile = z
  .record(z.string().regex(idPattern, "a flag's name must match [A-Za-z0-9_-]{1,64}"), flag)
  .refine((flags) => Object.keys(flags).length <= flagsMax, `at most ${flagsMax} flags`)
  .nullable()

export interface FlagRule {
  /** For who is named nowhere. */
  readonly on: boolean
  /** For whom an evaluation's context says; absent where it is the same for all. */
  readonly isOnFor?: (context: EvaluationContext) => boolean
}

/** Throws, saying what is wrong. An empty file has no flags. */
export function parseFlags(text: string): ReadonlyMap<string, FlagRule> {
  if (text.length > flagsFileCharacters) throw new Error(`above ${flagsFileCharacters} characters`)
  const read = flagsFile.safeParse(valueIn(text))
  if (read.success) return new Map(Object.entries(read.data ?? {}).map(([name, written]) => [name, ruleOf(written)]))
  throw new Error(
    read.error.issues
      .slice(0, problemsShown)
      .map((issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`)
      .join('; '),
  )
}

function valueIn(text: string): unknown {
  const yaml = readYaml(text)
  if (yaml.kind === 'ok') return yaml.value
  const problems = yaml.problems.map(({ words, at }) => `line ${at?.line ?? 1} ${words}`)
  throw new Error(problems.slice(0, problemsShown).join('; '))
}

function ruleOf(written: z.infer<typeof flag>): FlagRule {
  if (typeof written === 'boolean') return { on: written }
  const [users, projects, tenants] = [written.users, written.projects, written.tenants].map(mapOf)
  return {
    on: written.on,
    isOnFor: ({ subject, project, tenant }) =>
      said(users, subject) ?? said(projects, project) ?? said(tenants, tenant) ?? written.on,
  }
}

type Switches = ReadonlyMap<unknown, boolean>

function mapOf(written: Readonly<Record<string, boolean>> | undefined): Switches {
  return new Map(Object.entries(written ?? {}))
}

function said(switched: Switches | undefined, name: unknown): boolean | undefined {
  return switched?.get(name)
}
