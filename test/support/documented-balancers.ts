/** The balancers' configurations that docs/OPERATIONS.md prints, run as they are but for addresses, files and the probes' interval. */
import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Authority } from './authority.ts'
import { type Balancer, freePort, started } from './balancer.ts'

const operations = readFileSync(path.resolve(import.meta.dirname, '..', '..', 'docs', 'OPERATIONS.md'), 'utf8')

/** The block of this language that contains the text. */
export function documented(language: string, containing: string): string {
  const blocks = [...operations.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)]
  const found = blocks.filter(([, name, text = '']) => name === language && text.includes(containing))
  const [block] = found
  if (block?.[2] === undefined || found.length > 1)
    throw new Error(`${found.length} ${language} blocks with ${containing}`)
  return block[2]
}

export const haproxyText = documented('haproxy', 'backend sluice')
export const nginxText = documented('nginx', 'proxy_pass http://sluice')

export interface DocumentedOptions {
  readonly authority: Authority
  /** Further changes of what is printed. */
  readonly change?: (text: string) => string
}

/** Both find the certificate in their own folder: an nginx that root started reads it as somebody else. */
function prepare(name: string, { certFile, keyFile }: Authority): string {
  const folder = mkdtempSync(path.join(tmpdir(), `sluice-${name}-`))
  chmodSync(folder, 0o755)
  copyFileSync(certFile, path.join(folder, 'chat.crt'))
  copyFileSync(keyFile, path.join(folder, 'chat.key'))
  writeFileSync(path.join(folder, 'chat.pem'), readFileSync(certFile, 'utf8') + readFileSync(keyFile, 'utf8'))
  return folder
}

/** Its log is what it says of nodes that come and go. */
export async function startDocumentedHaproxy(
  nodePorts: readonly number[],
  { authority, change = (text) => text }: DocumentedOptions,
): Promise<Balancer> {
  const folder = prepare('haproxy', authority)
  const port = await freePort()
  const named = [...haproxyText.matchAll(/^ +server (\w+) \S+$/gm)].map(([, name]) => name)
  const nodes = nodePorts.map((nodePort, n) => `    server ${named[n]} 127.0.0.1:${nodePort}\n`)
  const text = swap(
    change(haproxyText),
    [/(?: +server \w+ \S+\n)+/, nodes.join('')],
    [/bind :443 ssl crt \S+/, `bind 127.0.0.1:${port} ssl crt ${folder}/chat.pem`],
    [/inter 2s/, 'inter 50ms'],
  )
  writeFileSync(path.join(folder, 'haproxy.cfg'), text)
  const program = process.env.SLUICE_TEST_HAPROXY ?? 'haproxy'
  const child = spawn(program, ['-db', '-f', `${folder}/haproxy.cfg`], { stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  child.stderr.on('data', (chunk) => {
    log += String(chunk)
  })
  const stop = await started('haproxy', { child, port, folder })
  return { port, accessLog: () => log, [Symbol.asyncDispose]: stop }
}

export async function startDocumentedNginx(
  nodePort: number,
  { authority, change = (text) => text }: DocumentedOptions,
): Promise<Balancer> {
  const folder = prepare('nginx', authority)
  const port = await freePort()
  const text = swap(
    change(nginxText),
    [/listen 443 ssl;/, `listen 127.0.0.1:${port} ssl;`],
    [/server 127\.0\.0\.1:8080;/, `server 127.0.0.1:${nodePort};`],
    [/\/etc\/nginx\/chat\.crt/, `${folder}/chat.crt`],
    [/\/etc\/nginx\/chat\.key/, `${folder}/chat.key`],
  )
  // What a distribution's nginx.conf has around it.
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`)
  const around = `pid ${folder}/pid;\nevents {}\nhttp {\naccess_log ${folder}/access.log;\n${folders.join('\n')}\n${text}}\n`
  writeFileSync(path.join(folder, 'nginx.conf'), around)
  const program = process.env.SLUICE_TEST_NGINX ?? 'nginx'
  const args = ['-c', `${folder}/nginx.conf`, '-e', 'stderr', '-g', 'daemon off; error_log stderr warn;']
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const stop = await started('nginx', { child, port, folder })
  const accessLog = () => readFileSync(`${folder}/access.log`, 'utf8')
  return { port, accessLog, [Symbol.asyncDispose]: stop }
}

/** Each is there, once. */
function swap(text: string, ...swaps: readonly (readonly [RegExp, string])[]): string {
  return swaps.reduce((sofar, [pattern, by]) => {
    const count = [...sofar.matchAll(new RegExp(pattern, 'g'))].length
    if (count !== 1) throw new Error(`${pattern} is there ${count} times`)
    return sofar.replace(pattern, () => by)
  }, text)
}
