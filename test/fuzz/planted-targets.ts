/** Targets with faults, on which `main.ts` is tried. */
import { words } from './grammar/pieces.ts'
import type { Target } from './target.ts'

const planted = (name: string, run: Target['run']): Target => ({
  name,
  what: 'a planted fault',
  grammar: words('a', 'b', 'c'),
  unitsMax: 1_024,
  bound: { cpuMs: 50, heapBytes: 8 * 1024 * 1024 },
  run,
})

export const targets: readonly Target[] = [
  planted('sound', ({ text }) => text),
  planted('throwing', ({ text }) => {
    if (text.includes('b')) throw new TypeError('a b')
    return 'ok'
  }),
  planted('endless', ({ text }) => {
    while (text.startsWith('c'));
    return 'ok'
  }),
]
