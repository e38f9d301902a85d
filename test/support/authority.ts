import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A certificate authority of a test's own and what it signed for 127.0.0.1 and model.internal, in a folder that goes with it. */
export interface Authority extends Disposable {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

export function makeAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ca-'))
  const path = (name: string) => join(folder, name)
  const openssl = (...args: readonly string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const authority = ['-x509', '-days', '1', '-subj', '/CN=authority', '-out', path('ca.crt'), '-keyout', path('ca.key')]
  openssl('req', ...key, ...authority)
  openssl('req', ...key, '-subj', '/CN=redis', '-out', path('redis.csr'), '-keyout', path('redis.key'))
  writeFileSync(path('names'), 'subjectAltName=IP:127.0.0.1,DNS:model.internal')
  const signing = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-CAcreateserial', '-extfile', path('names')]
  openssl('x509', '-req', '-days', '1', '-in', path('redis.csr'), '-out', path('redis.crt'), ...signing)
  return {
    caFile: path('ca.crt'),
    certFile: path('redis.crt'),
    keyFile: path('redis.key'),
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
