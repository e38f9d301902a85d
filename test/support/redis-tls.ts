import { readFileSync } from 'node:fs'
import type { RedisOptions } from 'ioredis'
import type { Authority } from './authority.ts'

export interface PortSettings {
  readonly port: number
  readonly args: readonly string[]
  /** What a client needs beside the port. */
  readonly client: Pick<RedisOptions, 'tls'>
}

/**
 * Settings of a Redis on this port: with an authority it speaks TLS alone, also with its replicas, Sentinels and the
 * rest of its cluster.
 */
export function portSettings(port: number, authority: Authority | undefined): PortSettings {
  if (authority === undefined) return { port, args: [], client: {} }
  const { caFile, certFile, keyFile } = authority
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', caFile]
  const others = ['--tls-replication', 'yes', '--tls-cluster', 'yes', '--tls-auth-clients', 'no']
  return {
    port,
    args: ['--port', '0', '--tls-port', String(port), ...others, ...files],
    client: { tls: { ca: readFileSync(caFile) } },
  }
}
