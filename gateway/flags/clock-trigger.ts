import type { ChangeTrigger } from '../../orchestrator/prompts/watch-prompts.ts'
import { lookEveryMs } from './limits.ts'

/**
 * Has files looked at by the clock alone: what a system tells of changes misses file systems over a network and the
 * swapped symlinks of a Kubernetes volume, and a look costs next to nothing.
 */
export const clockTrigger: ChangeTrigger = (look) => {
  const timer = setInterval(look, lookEveryMs).unref()
  return () => clearInterval(timer)
}
