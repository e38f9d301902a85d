import { readFile } from 'node:fs/promises'

/**
 * Connections that the process listening on `port` holds, as `ADDRESS:PORT` of their other end in the kernel's hexadecimal:
 * accepted, and with a file descriptor (proc_net_tcp: state 0A is the listener itself; an inode of 0 is a connection that
 * its process has closed, whatever the kernel still sends).
 */
export function heldConnections(table: string, port: number): string[] {
  const local = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, own = '', , state, , , , , , inode]) => own.endsWith(`:${local}`) && state !== '0A' && inode !== '0')
    .map(([, , remote = '']) => remote)
}

/** Those of all clients whose address begins with `prefix`, in dotted form, as `127.0.1.`. */
export async function heldFrom(port: number, prefix: string): Promise<Set<string>> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map((path) => readFile(path, 'utf8')))
  const ending = littleEndian(prefix)
  const held = tables.flatMap((table) => heldConnections(table, port))
  // While connections come and go the kernel may list one twice.
  return new Set(held.filter((remote) => remote.slice(0, remote.indexOf(':')).endsWith(ending)))
}

/** The kernel writes an address as one number in the machine's byte order: `127.0.1.` is `…01007F`. */
function littleEndian(prefix: string): string {
  const bytes = prefix.split('.').filter((part) => part !== '')
  return bytes
    .reverse()
    .map((part) => Number(part).toString(16).toUpperCase().padStart(2, '0'))
    .join('')
}
