import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A process under measurement. It ends with `stop`, and with this process. */
export interface Started {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** Starts `node …args` and waits for the line in which `addressIn` finds where it listens. */
export async function startNode(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  addressIn: (line: string) => string | undefined,
): Promise<Started> {
  // With our arguments for node and a channel it hears of our end, even by SIGKILL (`cli/bootstrap/follow-parent.cjs`).
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
  })
  const { stdout, pid } = child
  if (pid === undefined || stdout === null) throw new Error(`unable to start ${args[0]}`)
  endWithThis(child)
  const url = await firstAddress(createInterface({ input: stdout }), addressIn)
  if (url === undefined) {
    child.kill('SIGKILL')
    throw new Error(`unable to start ${args[0]}: it did not say within ${startMaxMs} ms where it listens`)
  }
  return { url, pid, stop: () => stopped(child) }
}

const children = new Set<ChildProcess>()

/** Kills the child when this process exits. One listener for all, since Node warns of a leak from the eleventh on. */
export function endWithThis(child: ChildProcess): void {
  if (children.size === 0) process.once('exit', killChildren)
  children.add(child)
  child.once('exit', () => {
    children.delete(child)
    if (children.size === 0) process.off('exit', killChildren)
  })
}

function killChildren(): void {
  for (const child of children) child.kill('SIGKILL')
}

function firstAddress(
  lines: ReturnType<typeof createInterface>,
  addressIn: (line: string) => string | undefined,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const look = (line: string) => {
      const url = addressIn(line)
      if (url === undefined) return
      // What follows is read, so that the process is not held up, and means nothing here; a killed one breaks off in a line.
      lines.off('line', look)
      resolve(url)
    }
    lines.on('line', look)
    lines.on('close', () => resolve(undefined))
    setTimeout(() => resolve(undefined), startMaxMs).unref()
  })
}

/** How long a process may take to listen, in milliseconds: on a busy machine a start takes many times what it takes alone. */
const startMaxMs = 60_000

/** A server that Sluice is measured against, for `startNode`. */
export function peerFile(name: string): string {
  return join(import.meta.dirname, '..', 'peers', name)
}

/** `{"listening": "…"}` on a line of its own. */
export function listeningLine(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined
  const said: unknown = JSON.parse(line)
  return typeof said === 'object' && said !== null && 'listening' in said ? String(said.listening) : undefined
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once('exit', () => resolve())
    child.kill('SIGKILL')
  })
}

export interface CpuTime {
  readonly userMs: number
  readonly systemMs: number
}

/** CPU time of a process so far, from /proc/PID/stat (proc(5)); Linux alone. */
export async function cpuTime(pid: number): Promise<CpuTime> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The name, in parentheses, may hold blanks: fields are counted behind it; utime and stime are the 14th and 15th.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const tickMs = 1000 / ticksPerSecond
  return { userMs: Number(fields[11]) * tickMs, systemMs: Number(fields[12]) * tickMs }
}

/** USER_HZ, which Linux fixes at 100 for what it tells programs. */
const ticksPerSecond = 100

/** VmRSS of a process (proc(5)), in bytes; Linux alone. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
}
