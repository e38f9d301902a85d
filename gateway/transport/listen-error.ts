/** The error of a listen that failed: it names the address and says what to do. */
export function listenError(host: string, port: number, cause: unknown): Error {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const remedy = REMEDIES.get(code) ?? String(cause instanceof Error ? cause.message : cause)
  return new Error(`unable to listen on ${host}:${port}: ${remedy}`, { cause })
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another process uses this port; stop it, or set PORT to another one'],
  ['EACCES', 'this user may not use ports this low; choose a port above 1023'],
  ['EADDRNOTAVAIL', 'no interface of this machine has this address; choose another host'],
  ['ENOTFOUND', 'the host name is unknown; choose another host'],
])
