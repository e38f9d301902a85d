'use strict'

// The programs that tests use and npm cannot bring. Installed where that is simple and expected (root on Debian or
// Ubuntu, as in CI and containers); anywhere else the command is printed and the rest goes on.

const fs = require('node:fs')
const { Failure, findProgram, inProject, isCi, readText, run, say, seconds } = require('./project.cjs')

const APT_TIMEOUT_MS = 10 * 60_000
const ASK_TIMEOUT_MS = 30_000
const POLICY_FILE = '/usr/sbin/policy-rc.d'
const MAC_CHROME = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
/** Packages that bring a service of their own name. */
const SERVICES = ['redis-server', 'nginx', 'haproxy']
/** The uWebSockets.js binaries for Node 22 and up need this C library. */
const UWS_GLIBC = [2, 38]

// Debian puts it where only root's path leads.
const findNginx = () => findProgram('nginx', '/usr/sbin/nginx')
const findHaproxy = () => findProgram('haproxy', '/usr/sbin/haproxy')

const findChromium = () => {
  const given = process.env.SLUICE_TEST_CHROMIUM
  const names = ['chromium', 'google-chrome', 'google-chrome-stable', 'chromium-browser', 'chrome', MAC_CHROME]
  return given ? findProgram(given) : findProgram(...names)
}

// What apt installs is for the system's own Python, which need not be the first on the path (pyenv, conda).
async function findPython() {
  for (const python of ['/usr/bin/python3', findProgram('python3')]) {
    if (python === undefined || !fs.existsSync(python)) continue
    const { code } = await run(python, ['-c', 'import websockets'], { timeoutMs: ASK_TIMEOUT_MS })
    if (code === 0) return python
  }
  return undefined
}

const hasPythonWebsockets = async () => (await findPython()) !== undefined

const hasOldGlibc = () => {
  if (process.platform !== 'linux') return false
  const version = process.report.getReport().header.glibcVersionRuntime
  if (version === undefined) return false
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < UWS_GLIBC[0] || (major === UWS_GLIBC[0] && minor < UWS_GLIBC[1])
}

const isPatchedNodeThere = () => fs.existsSync(inProject('.cache', 'uws', 'bin', 'node'))

const PARTS = [
  {
    name: 'redis-server',
    apt: 'redis-server',
    brew: 'redis',
    isThere: () => findProgram('redis-server') !== undefined,
  },
  { name: 'nginx', apt: 'nginx', brew: 'nginx', isThere: () => findNginx() !== undefined },
  { name: 'HAProxy', apt: 'haproxy', brew: 'haproxy', isThere: () => findHaproxy() !== undefined },
  { name: 'Chromium', apt: 'chromium', brew: '--cask google-chrome', isThere: () => findChromium() !== undefined },
  { name: 'Python with websockets', apt: 'python3-websockets', brew: undefined, isThere: hasPythonWebsockets },
  {
    name: 'patchelf',
    apt: 'patchelf',
    brew: undefined,
    isThere: () => findProgram('patchelf') !== undefined || isPatchedNodeThere() || !hasOldGlibc(),
  },
]

function osRelease() {
  const fields = new Map()
  for (const line of (readText('/etc/os-release') ?? '').split('\n')) {
    const match = /^(\w+)="?([^"]*)"?$/.exec(line)
    if (match) fields.set(match[1], match[2])
  }
  return { id: fields.get('ID') ?? '', codename: fields.get('VERSION_CODENAME') ?? '' }
}

// Ubuntu's chromium package only fetches a snap, which neither a container nor a CI machine runs.
const aptNameOf = (part) => (osRelease().id === 'ubuntu' && part.apt === 'chromium' ? undefined : part.apt)

const isAptMachine = () => ['debian', 'ubuntu'].includes(osRelease().id) && findProgram('apt-get') !== undefined
const isRoot = () => process.getuid !== undefined && process.getuid() === 0

async function findMissing() {
  const found = await Promise.all(PARTS.map((part) => part.isThere()))
  return PARTS.filter((_, index) => !found[index])
}

// Debian starts and enables a daemon as soon as it is installed. Tests start their own servers; this machine's owner
// did not ask for one on the default port.
async function withoutServices(packages, install) {
  const isOurs = !fs.existsSync(POLICY_FILE)
  if (isOurs) fs.writeFileSync(POLICY_FILE, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await install()
  } finally {
    if (isOurs) fs.rmSync(POLICY_FILE, { force: true })
    const services = SERVICES.filter((name) => packages.includes(name))
    if (services.length > 0 && findProgram('systemctl')) {
      await run('systemctl', ['disable', ...services], { timeoutMs: ASK_TIMEOUT_MS })
    }
  }
}

const apt = (...args) =>
  run('apt-get', ['-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=1', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: APT_TIMEOUT_MS,
  })

async function installByApt(packages) {
  const startedMs = Date.now()
  say(`Installing ${packages.join(', ')} with apt …`)
  const install = () => apt('install', '-y', '--no-install-recommends', ...packages)
  const { code, output } = await withoutServices(packages, async () => {
    const first = await install()
    if (first.code === 0) return first
    // Most often the package lists are old or, in a container, were never fetched.
    await apt('update')
    return install()
  })
  if (code !== 0) say(`${output}\nunable to install ${packages.join(', ')}: apt-get ended with ${code}`)
  else say(`Installed ${packages.join(', ')} in ${seconds(startedMs)}`)
}

function commandFor(missing) {
  if (process.platform === 'darwin') {
    return missing.map((part) => (part.brew ? `brew install ${part.brew}` : `install ${part.name}`)).join(' && ')
  }
  const packages = missing.map(aptNameOf).filter((name) => name !== undefined)
  const lines = packages.length > 0 && isAptMachine() ? [`sudo apt-get install -y ${packages.join(' ')}`] : []
  const rest = isAptMachine() ? missing.filter((part) => aptNameOf(part) === undefined) : missing
  if (rest.length > 0) lines.push(`install ${rest.map((part) => part.name).join(', ')} with your package manager`)
  if (rest.some((part) => part.name === 'Chromium')) lines.push('or set SLUICE_TEST_CHROMIUM to a Chromium or Chrome')
  return lines.join('; ')
}

/** Installs what tests need of the machine, where it may. Answers lines about what is still missing; in CI those fail. */
async function prepareMachine() {
  let missing = await findMissing()
  const packages = missing.map(aptNameOf).filter((name) => name !== undefined)
  if (packages.length > 0 && isAptMachine() && isRoot()) {
    await installByApt(packages)
    missing = await findMissing()
  }
  if (missing.length === 0) return []
  const line = `Not on this machine: ${missing.map((part) => part.name).join(', ')}. To have the tests that use it: ${commandFor(missing)}`
  if (isCi) throw new Failure(line)
  return [line]
}

module.exports = { prepareMachine, findChromium, findHaproxy, findNginx, findPython, osRelease }
