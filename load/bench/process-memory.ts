import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { WebSocket } from 'ws'

/** What the kernel holds for all sockets of this machine: buffers and slabs, in bytes (proc(5)); Linux alone. */
export async function kernelBytes(): Promise<number> {
  const [sockstat, meminfo] = await Promise.all([
    readFile('/proc/net/sockstat', 'utf8'),
    readFile('/proc/meminfo', 'utf8'),
  ])
  const pages = Number(/^TCP:.* mem (\d+)/m.exec(sockstat)?.[1])
  const slabKib = Number(/^Slab:\s+(\d+)/m.exec(meminfo)?.[1])
  return pages * pageBytes + slabKib * 1024
}

const pageBytes = 4096

/** Arguments for node that let `collectGarbage` reach the process. */
export async function inspectable(): Promise<{ readonly args: readonly string[]; readonly port: number }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  await new Promise((resolve) => server.close(resolve))
  return { args: [`--inspect=127.0.0.1:${port}`], port }
}

/** Has the process under `port` collect all garbage, so that what is resident is what is used. */
export async function collectGarbage(port: number): Promise<void> {
  const targets: unknown = await (await fetch(`http://127.0.0.1:${port}/json`)).json()
  const [target] = Array.isArray(targets) ? targets : []
  const socket = new WebSocket(String(target.webSocketDebuggerUrl))
  try {
    await new Promise((resolve, reject) => {
      socket.on('open', () => socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' })))
      socket.on('message', resolve)
      socket.on('error', reject)
    })
  } finally {
    socket.close()
  }
}
