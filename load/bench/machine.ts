import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { cpuTime } from './processes.ts'

/** What figures depend on. */
export function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model}; node ${process.version}`
}

export interface CpuUse {
  /** By process, in milliseconds; `driver` is this one. */
  readonly ownMs: Readonly<Record<string, number>>
  /** What all processors did for others meanwhile, as a share of one processor: figures want it near 0. */
  readonly others: number
  readonly elapsedMs: number
}

/** Measures from now until what it answers is called. The processes must live until then. */
export async function measureCpu(pids: Readonly<Record<string, number>>): Promise<() => Promise<CpuUse>> {
  const all = { ...pids, driver: process.pid }
  const startedMs = performance.now()
  const [own, busy] = [await cpuOf(all), await busyMs()]
  return async () => {
    const elapsedMs = performance.now() - startedMs
    const [ownNow, busyNow] = [await cpuOf(all), await busyMs()]
    const ownMs = Object.fromEntries(Object.entries(ownNow).map(([name, ms]) => [name, ms - (own[name] ?? 0)]))
    const sum = Object.values(ownMs).reduce((total, ms) => total + ms, 0)
    return { ownMs, others: Math.max(0, busyNow - busy - sum) / elapsedMs, elapsedMs }
  }
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`
}

async function cpuOf(pids: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const times = Object.entries(pids).map(async ([name, pid]) => {
    const { userMs, systemMs } = await cpuTime(pid)
    return [name, userMs + systemMs] as const
  })
  return Object.fromEntries(await Promise.all(times))
}

/** Time that all processors together were busy since the machine's start, in milliseconds (proc(5)); Linux alone. */
async function busyMs(): Promise<number> {
  const [cpu = ''] = (await readFile('/proc/stat', 'utf8')).split('\n')
  const [, user, nice, system, , , irq, softirq, steal] = cpu.split(/\s+/).map(Number)
  // Ticks of 10 ms (USER_HZ).
  return [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) * 10
}
