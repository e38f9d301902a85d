'use strict'

// uWebSockets.js for tests and measuring. Its binaries for Node 22 and up need glibc 2.38. On an older Debian or Ubuntu a
// newer C library is unpacked in the cache, and a copy of the project's node is told to use it: the copy is then an
// ordinary executable, which forks and workers find under process.execPath. (Starting node through the loader also works,
// but then execPath is the loader, and every fork dies.)
//
// Nothing here knows a mirror: the machine's own apt sources are read, with the next release in place of its own, and apt
// checks the signatures with the keys that the machine already has.

const fs = require('node:fs')
const path = require('node:path')
const { cacheDir, Failure, findProgram, inProject, isCi, readText, run, say, seconds } = require('./project.cjs')
const { installPackages } = require('./dependencies.cjs')
const { osRelease } = require('./machine.cjs')

const folder = inProject('test', 'uws')
const entry = path.join(folder, 'node_modules', 'uwebsockets', 'uws.js')
const home = path.join(cacheDir, 'uws')
const patchedNode = path.join(home, 'bin', 'node')

const NEWER_RELEASE = { debian: 'trixie', ubuntu: 'noble' }
const KEYRING = {
  debian: '/usr/share/keyrings/debian-archive-keyring.gpg',
  ubuntu: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
}
const PACKAGES = ['libc6', 'libstdc++6', 'libgcc-s1', 'zlib1g']
const LOADERS = {
  x64: { triplet: 'x86_64-linux-gnu', name: 'ld-linux-x86-64.so.2' },
  arm64: { triplet: 'aarch64-linux-gnu', name: 'ld-linux-aarch64.so.1' },
}
const APT_TRIES_COUNT = 2
const APT_TIMEOUT_MS = 3 * 60_000
const STEP_TIMEOUT_MS = 60_000

async function loads(node) {
  const script = `require(${JSON.stringify(entry)}).App(); process.stdout.write('loaded')`
  const { code, output } = await run(node, ['-e', script], { timeoutMs: STEP_TIMEOUT_MS })
  return code === 0 && output.includes('loaded')
}

async function versionOf(node) {
  const { code, output } = await run(node, ['--version'], { timeoutMs: STEP_TIMEOUT_MS })
  return code === 0 ? output.trim() : undefined
}

function* oneLineSources(text) {
  for (const line of text.split('\n')) {
    const match = /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.*)$/.exec(line.trim())
    if (match) yield { uris: [match[1]], suites: [match[2]], components: match[3].split(/\s+/) }
  }
}

function* stanzaSources(text) {
  for (const stanza of text.replace(/^#.*\n/gm, '').split(/\n\s*\n/)) {
    const field = (name) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza)?.[1].trim().split(/\s+/) ?? []
    if (!field('Types').includes('deb') || field('Enabled')[0] === 'no') continue
    yield { uris: field('URIs'), suites: field('Suites'), components: field('Components') }
  }
}

function* machineSources() {
  const parts = '/etc/apt/sources.list.d'
  const names = fs.existsSync(parts) ? fs.readdirSync(parts).sort() : []
  for (const file of ['/etc/apt/sources.list', ...names.map((name) => path.join(parts, name))]) {
    const text = readText(file) ?? ''
    if (file.endsWith('.list')) yield* oneLineSources(text)
    else if (file.endsWith('.sources')) yield* stanzaSources(text)
  }
}

function findMirror(codename) {
  for (const { uris, suites, components } of machineSources()) {
    if (suites.includes(codename) && components.includes('main') && uris[0] && !uris[0].startsWith('cdrom:'))
      return uris[0]
  }
  return undefined
}

/** Runs a program that must succeed; its output is the failure's message. */
async function must(command, args, options) {
  const { code, output } = await run(command, args, { timeoutMs: STEP_TIMEOUT_MS, ...options })
  if (code !== 0) throw new Failure(`${output}\n${command} ended with ${code}`)
}

// apt with lists, cache and status of its own: the machine's are neither read nor touched, and root is not needed.
function privateApt(place, source) {
  const at = (...parts) => path.join(place, ...parts)
  fs.mkdirSync(at('state', 'lists', 'partial'), { recursive: true })
  fs.mkdirSync(at('cache', 'archives', 'partial'), { recursive: true })
  fs.mkdirSync(at('packages'), { recursive: true })
  fs.writeFileSync(at('status'), '')
  fs.writeFileSync(at('release.sources'), source)
  const settings = {
    'Dir::Etc::SourceList': at('release.sources'),
    'Dir::Etc::SourceParts': '-',
    'Dir::State': at('state'),
    'Dir::State::status': at('status'),
    'Dir::Cache': at('cache'),
    'APT::Sandbox::User': '',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '30',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  return (...args) => must('apt-get', [...options, ...args], { cwd: at('packages'), timeoutMs: APT_TIMEOUT_MS })
}

async function fetchLibraries(place, release, mirror, keyring) {
  const source = `Types: deb\nURIs: ${mirror}\nSuites: ${release}\nComponents: main\nSigned-By: ${keyring}\n`
  for (let tryCount = 1; ; tryCount += 1) {
    fs.rmSync(place, { recursive: true, force: true })
    const apt = privateApt(place, source)
    try {
      await apt('update', '--error-on=any')
      await apt('download', ...PACKAGES)
      return fs.readdirSync(path.join(place, 'packages')).map((name) => path.join(place, 'packages', name))
    } catch (error) {
      if (tryCount === APT_TRIES_COUNT) throw error
    }
  }
}

function findLibraries(place, loader) {
  for (const base of ['usr/lib', 'lib']) {
    if (fs.existsSync(path.join(place, base, loader.triplet, loader.name))) return path.join(base, loader.triplet)
  }
  throw new Failure(`${loader.name} is in none of ${PACKAGES.join(', ')}`)
}

// Built aside and moved into place at the end, so that a run that was stopped leaves nothing half made.
async function buildPatchedNode(node, loader, release, mirror, keyring) {
  const work = `${home}.${process.pid}`
  try {
    for (const file of await fetchLibraries(path.join(work, 'apt'), release, mirror, keyring)) {
      await must('dpkg-deb', ['-x', file, path.join(work, 'root')])
    }
    const libraries = findLibraries(path.join(work, 'root'), loader)
    fs.mkdirSync(path.join(work, 'bin'))
    const copy = path.join(work, 'bin', 'node')
    fs.copyFileSync(node, copy)
    fs.chmodSync(copy, 0o755)
    const finalLibraries = path.join(home, 'root', libraries)
    const interpreter = path.join(finalLibraries, loader.name)
    await must('patchelf', ['--set-interpreter', interpreter, '--force-rpath', '--set-rpath', finalLibraries, copy])
    fs.rmSync(path.join(work, 'apt'), { recursive: true })
    fs.rmSync(home, { recursive: true, force: true })
    fs.renameSync(work, home)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

/** Why the newer C library cannot be had here, or what is needed to make it. */
function planPatch() {
  const { id, codename } = osRelease()
  const release = NEWER_RELEASE[id]
  const loader = LOADERS[process.arch]
  const advice = 'run the tests on Debian 13, Ubuntu 24.04 or later, for example in the container node:24-trixie'
  if (process.platform !== 'linux' || release === undefined || loader === undefined || !findProgram('dpkg-deb')) {
    return { problem: 'its binary does not load with this C library', advice }
  }
  const mirror = findMirror(codename)
  if (mirror === undefined || !fs.existsSync(KEYRING[id])) {
    return { problem: `no apt source or keyring for ${id} ${release} was found on this machine`, advice }
  }
  if (!findProgram('patchelf')) {
    return { problem: 'patchelf is missing', advice: 'run: sudo apt-get install -y patchelf && npm test' }
  }
  return { loader, release, mirror, keyring: KEYRING[id] }
}

async function findUwsNode(node) {
  if (await loads(node)) return { node }
  const isBuilt = fs.existsSync(patchedNode) && (await versionOf(patchedNode)) === (await versionOf(node))
  if (isBuilt && (await loads(patchedNode))) return { node: patchedNode }
  const plan = planPatch()
  if (plan.problem !== undefined) return plan
  const startedMs = Date.now()
  say(`Setting up uWebSockets.js with the C library of ${plan.release} …`)
  await buildPatchedNode(node, plan.loader, plan.release, plan.mirror, plan.keyring)
  if (!(await loads(patchedNode)))
    return { problem: 'its binary does not load', advice: 'remove .cache/uws and run npm test again' }
  say(`Set up uWebSockets.js in ${seconds(startedMs)}`)
  return { node: patchedNode }
}

async function tryToPrepare(node) {
  try {
    await installPackages(folder, node, 'uWebSockets.js for the tests (98 MB)')
    return await findUwsNode(node)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { problem: error.message, advice: 'run npm test again' }
  }
}

/**
 * Answers the Node that the tests run on and the package's entry: `{node, entry, lines}`. Where it cannot be had, `entry`
 * is undefined and `lines` say what is not run and what to do; in CI that is a failure.
 */
async function prepareUws(node) {
  const found = await tryToPrepare(node)
  if (found.node !== undefined) return { node: found.node, entry, lines: [] }
  const line = `Not run: the uWebSockets.js transport: ${found.problem}. To run it: ${found.advice}`
  if (isCi) throw new Failure(line)
  return { node, entry: undefined, lines: [line] }
}

/** A Debian mirror of this machine, or undefined. */
const findDebianMirror = () => (osRelease().id === 'debian' ? findMirror(osRelease().codename) : undefined)

module.exports = { prepareUws, findDebianMirror }
