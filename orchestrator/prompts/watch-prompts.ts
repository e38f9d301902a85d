/**
 * A folder of prompts that is read again when it changes: whole or not at all. What cannot be read leaves the prompts as
 * they were, and a turn keeps the text it began with.
 */
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
  /** The folder has a mistake, said once for as long as it stays the same. */
  refused(reason: string): void
}

/** Calls `look` whenever something may have changed, as often as it likes. The answer ends that. */
export type ChangeTrigger = (look: () => void) => () => void

/** Throws, as `loadPrompts` does, when the folder has a mistake at the start. */
export function watchPrompts(folder: string, trigger: ChangeTrigger, events: PromptsEvents): WatchedPrompts {
  let current = loadPrompts(folder)
  let refusal = ''
  const look = () => {
    try {
      const next = loadPrompts(folder)
      refuseEdited(current, next)
      refusal = ''
      if (fingerprintOf(next) === fingerprintOf(current)) return
      current = next
      events.changed(next)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      if (reason !== refusal) events.refused(reason)
      refusal = reason
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

/** Of all that decides about a prompt. */
function fingerprintOf({ prompts, assignments }: LoadedPrompts): string {
  const all = [...prompts.values()].map(({ name, versions, labels, experiments }) => [
    name,
    [...versions.values()].map(({ version, sha256, date, changed }) => [version, sha256, date, changed]),
    [...labels],
    experiments.map(({ channels, ...rest }) => [rest, channels === 'all' ? channels : [...channels]]),
  ])
  return JSON.stringify([all, assignments])
}
