/** What one input costs. */
import type { Bound } from './target.ts'

export interface Cost {
  readonly cpuMs: number
  /** Undefined where it was not measured. */
  readonly heapBytes: number | undefined
}

/** An input over its bound is read again this often, and the cheapest reading counts: the first one also compiles. */
const repeatsMax = 3

/** Bytes that are held now, after everything that is not was let go. Undefined without `--expose-gc`. */
export function heldBytes(): number | undefined {
  if (globalThis.gc === undefined) return undefined
  globalThis.gc()
  return heapNow()
}

function heapNow(): number {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/** Runs it once. `isHeapMeasured`: with a collection before it, which takes milliseconds. */
export async function measure(act: () => unknown, isHeapMeasured: boolean): Promise<Cost> {
  const before = isHeapMeasured ? heldBytes() : undefined
  const beganUs = process.cpuUsage()
  const answer = act()
  if (answer instanceof Promise) await answer
  const { user, system } = process.cpuUsage(beganUs)
  const heapBytes = before === undefined ? undefined : Math.max(0, heapNow() - before)
  return { cpuMs: (user + system) / 1_000, heapBytes }
}

/** As `measure`, again while it is above the bound. The cheapest of the readings. */
export async function measureWithin(act: () => unknown, isHeapMeasured: boolean, bound: Bound): Promise<Cost> {
  let best = await measure(act, isHeapMeasured)
  for (let count = 0; count < repeatsMax && isAbove(best, bound); count++) {
    const next = await measure(act, isHeapMeasured)
    const heaps = [best.heapBytes, next.heapBytes].filter((bytes) => bytes !== undefined)
    const heapBytes = heaps.length === 0 ? undefined : Math.min(...heaps)
    best = { cpuMs: Math.min(best.cpuMs, next.cpuMs), heapBytes }
  }
  return best
}

export function isAbove({ cpuMs, heapBytes = 0 }: Cost, bound: Bound): boolean {
  return cpuMs > bound.cpuMs || heapBytes > bound.heapBytes
}
