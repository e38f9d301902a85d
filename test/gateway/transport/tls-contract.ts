import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { type Client, openClient, RawClient } from './clients.ts'
import { type Adapter, SOCKET_PATH, type Station, startStation } from './station.ts'

/** Certificates that change while sockets are open. */
export function tlsContract(adapter: Adapter): void {
  describe('TLS', () => {
    test('[SOCKET-31] a new certificate serves new connections, and old sockets go on', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'tls.crt', 'tls.key')
      await using station = await startTls(adapter, folder)
      const old = await openTls(station)
      expect(await servedName(station)).toBe('first')
      folder.write('second', 'tls.crt', 'tls.key')
      await station.log.next('reload', (line) => line.message === 'new certificate in use')
      expect(await servedName(station)).toBe('second')
      await echo(old, 'on the old certificate')
      await echo(await openTls(station), 'on the new one')
      const response = await getOverTls(station)
      expect(response).toContain(`https://127.0.0.1:${station.port}/where`)
    })

    test('[SOCKET-324] plain HTTP on the TLS port is closed, and the log says so where the library tells', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'tls.crt', 'tls.key')
      await using station = await startTls(adapter, folder)
      const raw = new RawClient(station.port, 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await raw.ended.next('close', (how) => how === 'close')
      const warned = station.log.all.filter(({ level }) => level === 'warn').map(({ fields }) => fields)
      const told = { protocol: 'HTTP without TLS', address: '127.0.0.1' }
      expect(warned).toEqual(adapter.differences.oldHttp ? [told] : [])
    })

    test('[SOCKET-31] a swapped symlink above the files is noticed (Kubernetes secrets)', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'v1/tls.crt', 'v1/tls.key')
      folder.write('second', 'v2/tls.crt', 'v2/tls.key')
      folder.link('v1', '..data')
      folder.link('..data/tls.crt', 'tls.crt')
      folder.link('..data/tls.key', 'tls.key')
      await using station = await startTls(adapter, folder)
      folder.link('v2', '..data')
      await station.log.next('reload', (line) => line.message === 'new certificate in use')
      expect(await servedName(station)).toBe('second')
    })

    test('[SOCKET-32] a pair that does not fit or cannot be read keeps the old one and says why', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'tls.crt', 'tls.key')
      folder.write('other', 'other.crt', 'other.key')
      await using station = await startTls(adapter, folder)
      for (const broken of ['other.key', 'broken']) {
        folder.copy(broken, 'tls.key')
        const line = await station.log.next('refusal', ({ level }) => level === 'error')
        expect(line.message).toBe('certificate not changed: the old one stays in use')
        expect(await servedName(station)).toBe('first')
      }
      folder.write('third', 'tls.crt', 'tls.key')
      await station.log.next('reload', (line) => line.message === 'new certificate in use')
      expect(await servedName(station)).toBe('third')
    })

    test('[SOCKET-32] a pair that does not fit at the start is refused with the names of its files', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'tls.crt', 'tls.key')
      folder.write('other', 'other.crt', 'tls.key')
      await expect(startTls(adapter, folder)).rejects.toThrow(`unable to use certificate ${folder.path('tls.crt')}`)
    })

    test('[SOCKET-106] TLS 1.2 has no suite without forward secrecy or with CBC, and TLS 1.3 is there', async () => {
      using folder = new CertificateFolder()
      folder.write('first', 'tls.crt', 'tls.key')
      folder.writeRsa('rsa', 'rsa.crt', 'rsa.key')
      await using ec = await startTls(adapter, folder)
      const files = { certFile: folder.path('rsa.crt'), keyFile: folder.path('rsa.key') }
      await using rsa = await startStation(adapter, { tls: files })
      const old = ['AES128-SHA', 'AES256-GCM-SHA384', 'ECDHE-RSA-AES128-SHA', 'ECDHE-RSA-AES256-SHA384']
      for (const suite of old) expect([suite, await negotiated(rsa, suite)]).toEqual([suite, 'refused'])
      expect(await negotiated(ec, 'ECDHE-ECDSA-AES128-SHA')).toBe('refused')
      expect(await negotiated(rsa, 'ECDHE-RSA-AES128-GCM-SHA256')).toBe('TLSv1.2')
      expect(await negotiated(ec, 'ECDHE-ECDSA-AES256-GCM-SHA384')).toBe('TLSv1.2')
      expect(await negotiated(ec)).toBe('TLSv1.3')
      // Also with a certificate that was read again.
      folder.writeRsa('later', 'tls.crt', 'tls.key')
      await ec.log.next('reload', (line) => line.message === 'new certificate in use')
      expect(await negotiated(ec, 'ECDHE-RSA-AES128-SHA')).toBe('refused')
      expect(await negotiated(ec)).toBe('TLSv1.3')
    })
  })
}

/** The version that a client with this suite of TLS 1.2 alone, or with all that Node has, comes to. */
function negotiated(station: Station, suite?: string): Promise<string | null> {
  const asked = suite === undefined ? {} : { ciphers: `${suite}:@SECLEVEL=0`, maxVersion: 'TLSv1.2' as const }
  return new Promise((resolve) => {
    const tls = connect({ port: station.port, host: '127.0.0.1', rejectUnauthorized: false, ...asked }, () => {
      resolve(tls.getProtocol())
      tls.destroy()
    })
    tls.on('error', () => resolve('refused'))
  })
}

/** Certificates with their keys, made by openssl, in a folder that goes with it. */
export class CertificateFolder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), 'sluice-tls-'))

  constructor() {
    writeFileSync(this.path('broken'), 'not a key')
  }

  path(name: string): string {
    return join(this.#path, name)
  }

  /** Each file appears whole, one after the other, as certificate tools write them. */
  write(commonName: string, cert: string, key: string): void {
    this.#make(commonName, cert, key, ['ec', '-pkeyopt', 'ec_paramgen_curve:P-256'])
  }

  writeRsa(commonName: string, cert: string, key: string): void {
    this.#make(commonName, cert, key, ['rsa:2048'])
  }

  #make(commonName: string, cert: string, key: string, newKey: readonly string[]): void {
    mkdirSync(join(this.path(cert), '..'), { recursive: true })
    const made = ['-out', this.path('made.crt'), '-keyout', this.path('made.key'), '-subj', `/CN=${commonName}`]
    const kind = ['req', '-x509', '-nodes', '-days', '1', '-newkey', ...newKey]
    execFileSync('openssl', [...kind, ...made], { stdio: 'pipe' })
    renameSync(this.path('made.crt'), this.path(cert))
    renameSync(this.path('made.key'), this.path(key))
  }

  copy(from: string, to: string): void {
    cpSync(this.path(from), this.path('copied'))
    renameSync(this.path('copied'), this.path(to))
  }

  link(target: string, name: string): void {
    symlinkSync(target, this.path('linked'))
    renameSync(this.path('linked'), this.path(name))
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true, force: true })
  }
}

function startTls(adapter: Adapter, folder: CertificateFolder): Promise<Station> {
  return startStation(adapter, {
    tls: { certFile: folder.path('tls.crt'), keyFile: folder.path('tls.key') },
    fetch: ({ url }) => new Response(url),
    onEvent: (event, socket) => event.kind === 'text' && socket.send(event.frame),
  })
}

function openTls(station: Station): Promise<Client> {
  return openClient(`wss://127.0.0.1:${station.port}${SOCKET_PATH}`, [], { rejectUnauthorized: false })
}

async function echo(client: Client, frame: string): Promise<void> {
  client.webSocket.send(frame)
  expect(await client.events.next('echo')).toEqual({ kind: 'text', frame })
}

/** The common name in the certificate that a new connection gets. */
function servedName(station: Station): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const tls = connect({ port: station.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(tls.getPeerCertificate().subject.CN)
      tls.destroy()
    })
    tls.on('error', reject)
  })
}

function getOverTls(station: Station): Promise<string> {
  return new Promise((resolve, reject) => {
    const tls = connect({ port: station.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      tls.write(`GET /where HTTP/1.1\r\nHost: 127.0.0.1:${station.port}\r\nConnection: close\r\n\r\n`)
    })
    let received = ''
    tls.on('data', (bytes) => {
      received += bytes.toString()
    })
    tls.on('end', () => resolve(received))
    tls.on('error', reject)
  })
}
