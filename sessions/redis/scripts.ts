import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The store's operations as Redis runs them: each is one script, and so one atomic step. `lua/shared.lua` stands behind
 * each one's first line (`lua/budget-shared.lua` behind a budget's, `lua/owned.lua` behind an owner's), which says for Redis what it is (`#!lua`): such a
 * script is refused on a replica, and when the memory is full, before its first write instead of in the middle (STORE B6).
 */
export interface Script {
  readonly name: ScriptName
  readonly source: string
  /** As `EVALSHA` names it. */
  readonly sha1: string
}

const scriptNames = [
  'accept',
  'append',
  'append-joined',
  'budget-reserve',
  'budget-settle',
  'budget-spent',
  'cancel',
  'create',
  'describe',
  'end',
  'erase',
  'feedback',
  'find-turn',
  'open',
  'opening',
  'owner-charge',
  'owner-leave',
  'owner-touch',
  'page',
  'read',
  'running-add',
  'running-lapsed',
  'summary',
  'take-over',
  'tenant-touch',
  'update',
] as const

export type ScriptName = (typeof scriptNames)[number]
export type Scripts = ReadonlyMap<ScriptName, Script>

/** Changes a script's source: tests step the store's clock by it, and plant the faults that a checker must find. */
export type PatchScript = (name: ScriptName, source: string) => string

const folder = join(import.meta.dirname, 'lua')

export function loadScripts(patch: PatchScript = (_name, source) => source): Scripts {
  return new Map(
    scriptNames.map((name) => {
      const shared = readFileSync(join(folder, sharedBy(name)), 'utf8')
      const [first = '', ...rest] = readFileSync(join(folder, `${name}.lua`), 'utf8').split('\n')
      const source = patch(name, [first, shared, ...rest].join('\n'))
      return [name, { name, source, sha1: createHash('sha1').update(source).digest('hex') }]
    }),
  )
}

/** Files of the folder that no operation uses; for a test. */
export function unusedScripts(): readonly string[] {
  const used = new Set<string>(scriptNames.flatMap((name) => [sharedBy(name), `${name}.lua`]))
  return readdirSync(folder).filter((file) => !used.has(file))
}

function sharedBy(name: ScriptName): string {
  if (name.startsWith('budget-')) return 'budget-shared.lua'
  return name.startsWith('owner-') ? 'owned.lua' : 'shared.lua'
}
