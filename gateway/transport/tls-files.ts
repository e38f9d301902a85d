/**
 * The certificate and its key, read again when they change.
 *
 * They are two files and are replaced one after the other, or both at once by swapping a symlink in a directory above
 * (Kubernetes secrets), which a watch on the file never sees. So the directories are watched, a slow poll catches what
 * the watch misses, a change is read after a pause, and a pair is taken whole or not at all: one that cannot be read,
 * parsed or does not fit together leaves the old one in use, and the log says why.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs'
import { dirname } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { TransportLog } from './transport.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface TlsPair {
  readonly cert: string
  readonly key: string
}

/** In OpenSSL's names: forward secrecy and authenticated encryption alone (RFC 9325, 4.2). TLS 1.3 has nothing else. */
export const tls12Ciphers = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** Node takes a list that names no suite of TLS 1.3 as a wish to have no TLS 1.3. */
export const tlsCiphers = `TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:${tls12Ciphers}`

/** Certificate and key are written one after the other: read when nothing changed for this long. */
const SETTLE_MS = 100
/** Some file systems tell of no change: the files are read anew this often, whatever was told. */
const POLL_MS = 10_000

/** Reads the pair and checks that it is one. Throws with a message that names the files. */
export function readTlsPair(files: TlsFiles): TlsPair {
  try {
    const pair = { cert: readFileSync(files.certFile, 'utf8'), key: readFileSync(files.keyFile, 'utf8') }
    createSecureContext(pair)
    return pair
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`unable to use certificate ${files.certFile} with key ${files.keyFile}: ${reason}`, {
      cause: error,
    })
  }
}

export class TlsWatch {
  readonly #files: TlsFiles
  readonly #log: TransportLog
  readonly #onChange: (pair: TlsPair) => void
  readonly #watchers: readonly FSWatcher[]
  readonly #poll: NodeJS.Timeout
  #settle: NodeJS.Timeout | undefined
  #current: TlsPair
  /** What was refused last, so that the poll does not log the same refusal for ever. */
  #refusal = ''

  /** `onChange` gets each new good pair; when it throws, the old pair counts as the current one and is kept. */
  constructor(files: TlsFiles, current: TlsPair, onChange: (pair: TlsPair) => void, log: TransportLog) {
    this.#files = files
    this.#current = current
    this.#onChange = onChange
    this.#log = log
    const directories = new Set([dirname(files.certFile), dirname(files.keyFile)])
    this.#watchers = [...directories].flatMap((directory) => this.#watch(directory))
    this.#poll = setInterval(() => this.#reload(), POLL_MS).unref()
  }

  close(): void {
    clearInterval(this.#poll)
    clearTimeout(this.#settle)
    for (const watcher of this.#watchers) watcher.close()
  }

  #watch(directory: string): FSWatcher[] {
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#reloadSoon())
      watcher.on('error', (error) => this.#log.warn({ err: error, directory }, 'certificate watch lost: polling'))
      return [watcher]
    } catch (error) {
      this.#log.warn({ err: error, directory }, 'unable to watch the certificate: polling')
      return []
    }
  }

  #reloadSoon(): void {
    clearTimeout(this.#settle)
    this.#settle = setTimeout(() => this.#reload(), SETTLE_MS).unref()
  }

  #reload(): void {
    try {
      const pair = readTlsPair(this.#files)
      if (pair.cert === this.#current.cert && pair.key === this.#current.key) return
      this.#onChange(pair)
      this.#current = pair
      this.#refusal = ''
      this.#log.info({ certFile: this.#files.certFile }, 'new certificate in use')
    } catch (error) {
      const refusal = error instanceof Error ? error.message : String(error)
      if (refusal !== this.#refusal)
        this.#log.error({ err: error, reason: refusal }, 'certificate not changed: the old one stays in use')
      this.#refusal = refusal
    }
  }
}
