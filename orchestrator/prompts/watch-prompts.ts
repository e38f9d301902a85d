/**
 * A folder of prompts that is read again when it changes: whole or not at all. What cannot be read leaves the prompts as
 * they were, and a turn keeps the text it began with.
 */
import { type BigIntStats, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { loadPrompts } from './load-prompts.ts'
import type { LoadedPrompts, Prompts } from './prompts.ts'

export interface WatchedPrompts extends Prompts {
  /** What counts now. */
  current(): LoadedPrompts
  /** Watches no more; what counts now goes on to count. */
  close(): void
}

export interface PromptsEvents {
  /** Other prompts count from now on. */
  changed(prompts: LoadedPrompts): void
  /** The folder has a mistake, said once for each change of it. */
  refused(reason: string): void
}

/** Calls `look` whenever something may have changed; a look that finds nothing costs little. The answer ends it. */
export type ChangeTrigger = (look: () => void) => () => void

/** Throws, as `loadPrompts` does, when the folder has a mistake at the start. */
export function watchPrompts(folder: string, trigger: ChangeTrigger, events: PromptsEvents): WatchedPrompts {
  let stamp = stampOf(folder)
  let current = loadPrompts(folder)
  const look = () => {
    try {
      const found = stampOf(folder)
      if (found === stamp) return
      stamp = found
      const next = loadPrompts(folder)
      refuseEdited(current, next)
      current = next
      events.changed(next)
    } catch (error) {
      events.refused(error instanceof Error ? error.message : String(error))
    }
  }
  return {
    current: () => current,
    has: (name) => current.has(name),
    choose: (request, flags) => current.choose(request, flags),
    close: trigger(look),
  }
}

/** A hash that was edited along with its text does not make another text of a version that answers were given with. */
function refuseEdited(before: LoadedPrompts, after: LoadedPrompts): void {
  for (const { name, versions } of before.prompts.values())
    for (const { version, sha256 } of versions.values()) {
      const now = after.prompts.get(name)?.versions.get(version)
      if (version > 0 && now !== undefined && now.sha256 !== sha256)
        throw new Error(
          `unable to reload prompts: version ${version} of ${name} is another text than before; take the edit back, and make a new version of it`,
        )
    }
}

/** Another one when a file was written, replaced, added or taken away; costs no reading. Empty when the folder is gone. */
function stampOf(folder: string): string {
  try {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
    return names.map((name) => stampOfFile(name, statSync(join(folder, name), { bigint: true }))).join('\n')
  } catch {
    return ''
  }
}

function stampOfFile(name: string, { ino, size, mtimeNs }: BigIntStats): string {
  return `${name} ${ino} ${size} ${mtimeNs}`
}
