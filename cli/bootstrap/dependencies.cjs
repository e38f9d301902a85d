'use strict'

// Brings the project's own Node and node_modules, in that order: npm leaves out, without a word, optional packages that
// do not name the Node it runs on, and on Node 18 those are the native parts of the bundler. So npm itself is run by
// Node 24.
//
// Nothing is downloaded without a hash that is recorded here: the lock files' for packages, node-hashes.json's for Node.
//
// No install script is run. npm 12 blocks them unless allowed, older ones do not, and anyone may have switched them off;
// the one that matters, which fetches the binary of the `node` package, is done here in the same way for all.
//
// A stamp makes the usual start cheap. Without one npm's own record in node_modules is compared, so that a hand-made
// `npm ci` is not thrown away and done again.

const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { cacheDir, Failure, inProject, isExecutable, readText, root, run, say, seconds } = require('./project.cjs')

const NODE_MAJOR_MIN = 24
const INSTALL_TIMEOUT_MS = 15 * 60_000
const ASK_TIMEOUT_MS = 30_000
const NPM_QUIET = ['--no-audit', '--no-fund', '--no-progress', '--no-update-notifier', '--loglevel=error']
const HINT = 'Check that npm reaches its registry (npm ping) and that the disk has 1 GB free.'

const stampFile = (folder) => path.join(folder, 'node_modules', '.sluice-stamp')
const lockOf = (folder) => {
  const text = readText(path.join(folder, 'package-lock.json'))
  if (text === undefined) throw new Failure(`package-lock.json is missing in ${folder}: restore it with git`)
  return text
}

function stampOf(folder) {
  const hash = crypto.createHash('sha256').update(lockOf(folder)).digest('hex')
  return `${hash} ${process.platform} ${process.arch}\n`
}

const isStamped = (folder) => readText(stampFile(folder)) === stampOf(folder)

const libcName = () => (process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'glibc')

// Of the optional packages only the native ones of this platform are sure to be wanted.
function isWantedHere(entry) {
  if (!entry.optional && !entry.devOptional) return true
  const fits = (list, name) => list?.includes(name) === true
  if (!fits(entry.os, process.platform) || !fits(entry.cpu, process.arch)) return false
  return entry.libc === undefined || entry.libc.includes(libcName())
}

function isInstalledByHand(folder) {
  const record = readText(path.join(folder, 'node_modules', '.package-lock.json'))
  if (record === undefined) return false
  const present = JSON.parse(record).packages
  return Object.entries(JSON.parse(lockOf(folder)).packages).every(([place, entry]) => {
    if (place === '' || !isWantedHere(entry)) return true
    return present[place]?.version === entry.version && fs.existsSync(path.join(folder, place, 'package.json'))
  })
}

// The npm that the user called; else the one on the path. Either is run by `node`.
function npm(node, args, options) {
  const cli = process.env.npm_execpath
  if (cli !== undefined && path.basename(cli) === 'npm-cli.js') return run(node, [cli, ...args], options)
  const env = { ...process.env, PATH: `${path.dirname(node)}${path.delimiter}${process.env.PATH ?? ''}` }
  return run('npm', args, { ...options, env, shell: process.platform === 'win32' })
}

// `npm ci` alone: it compares each package with the lock's hash, and fails where the lock does not name all of them.
// `npm install` would take what is missing without a hash.
function installLocked(folder, node) {
  for (const [place, entry] of Object.entries(JSON.parse(lockOf(folder)).packages)) {
    if (place === '' || /^sha512-/.test(entry.integrity ?? '')) continue
    throw new Failure(`package-lock.json in ${folder} has no SHA-512 hash for ${place}: restore it with git`)
  }
  return npm(node, ['ci', '--ignore-scripts', ...NPM_QUIET], { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS })
}

/** Installs what `folder`'s lock names, if it is not there yet; `node` runs npm, `what` is for people. */
async function installPackages(folder, node, what) {
  if (isStamped(folder)) return
  if (!isInstalledByHand(folder)) {
    const startedMs = Date.now()
    say(`Installing ${what} …`)
    const { code, output } = await installLocked(folder, node)
    if (code !== 0) {
      const shown = path.relative(root, folder)
      const byHand = `To see more: ${shown === '' ? '' : `cd ${shown} && `}npm ci`
      throw new Failure(`${output}\nunable to install ${what}: npm ended with ${code}. ${HINT}\n${byHand}`)
    }
    say(`Installed ${what} in ${seconds(startedMs)}`)
  }
  fs.writeFileSync(stampFile(folder), stampOf(folder))
}

const isWindows = process.platform === 'win32'
const placedNode = inProject('node_modules', 'node', 'bin', isWindows ? 'node.exe' : 'node')

const wantedNodeVersion = () => JSON.parse(lockOf(root)).packages['node_modules/node'].version

// The names that the `node` package's own script uses.
function nodePackageName() {
  const prefix = process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'
  return [prefix, isWindows ? 'win' : process.platform, process.arch].join('-')
}

async function isNode(file, version) {
  if (!isExecutable(file)) return false
  const { code, output } = await run(file, ['--version'], { timeoutMs: ASK_TIMEOUT_MS })
  return code === 0 && output.trim() === `v${version}`
}

/**
 * Installs one package into `home` where it has exactly this hash (SHA-512, as npm writes it); else npm ends with EINTEGRITY and
 * nothing is unpacked. npm compares only what a lock file names, so one is made of the hash. Answers npm's `{code, output}`.
 */
function installPinned(home, name, version, integrity) {
  const root = { name: 'sluice-pinned', version: '0.0.0', private: true, dependencies: { [name]: version } }
  const packages = { '': root, [`node_modules/${name}`]: { version, integrity } }
  const lock = { ...root, lockfileVersion: 3, requires: true, packages }
  fs.mkdirSync(home, { recursive: true })
  fs.writeFileSync(path.join(home, 'package.json'), `${JSON.stringify(root)}\n`)
  fs.writeFileSync(path.join(home, 'package-lock.json'), `${JSON.stringify(lock)}\n`)
  const args = ['ci', '--ignore-scripts', ...NPM_QUIET]
  return npm(process.execPath, args, { cwd: home, timeoutMs: INSTALL_TIMEOUT_MS })
}

/** Undefined where no hash is recorded for this version and platform: then none is downloaded. */
function recordedHash(version) {
  const hashes = JSON.parse(readText(path.join(__dirname, 'node-hashes.json')) ?? '{}')
  return hashes[version]?.[nodePackageName()]
}

async function fetchNode(version) {
  const integrity = recordedHash(version)
  if (integrity === undefined) {
    say(`Node ${version} is not fetched: cli/bootstrap/node-hashes.json has no hash for ${nodePackageName()}`)
    return undefined
  }
  const home = path.join(cacheDir, 'node', version)
  const file = path.join(home, 'node_modules', nodePackageName(), 'bin', isWindows ? 'node.exe' : 'node')
  if (await isNode(file, version)) return file
  const startedMs = Date.now()
  say(`Fetching Node ${version} for this project (this machine has ${process.version}) …`)
  const { code, output } = await installPinned(home, nodePackageName(), version, integrity)
  if (code === 0 && (await isNode(file, version))) {
    say(`Fetched Node ${version} in ${seconds(startedMs)}`)
    return file
  }
  say(`${output}\nunable to fetch Node ${version}: npm ended with ${code}`)
  return undefined
}

async function findNode() {
  const fetched = await fetchNode(wantedNodeVersion())
  if (fetched !== undefined) return fetched
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR_MIN) return process.execPath
  throw new Failure(
    `Sluice needs Node ${NODE_MAJOR_MIN}; this machine has ${process.version}, and the project's own could not be fetched.\n` +
      `Install Node ${NODE_MAJOR_MIN} or later, or mend what npm said above, and run the command again. ${HINT}`,
  )
}

// Where npm's scripts and editors look for the project's Node.
function placeNode(node) {
  fs.mkdirSync(path.dirname(placedNode), { recursive: true })
  fs.rmSync(placedNode, { force: true })
  try {
    fs.linkSync(node, placedNode)
  } catch {
    // Another file system, or one without hard links.
    fs.copyFileSync(node, placedNode)
  }
  fs.chmodSync(placedNode, 0o755)
  // npm made no link to a binary that was not there yet. Windows' shims do not mind.
  if (isWindows) return
  const link = inProject('node_modules', '.bin', 'node')
  fs.rmSync(link, { force: true })
  fs.symlinkSync(path.join('..', 'node', 'bin', 'node'), link)
}

/** Makes node_modules complete and answers the Node that runs the project: its own 24, or the machine's newer one. */
async function prepareDependencies() {
  if ((isStamped(root) || isInstalledByHand(root)) && (await isNode(placedNode, wantedNodeVersion()))) {
    await installPackages(root, placedNode, 'nothing')
    return placedNode
  }
  const node = await findNode()
  await installPackages(root, node, 'what Sluice needs')
  if (node === process.execPath) return node
  placeNode(node)
  return placedNode
}

module.exports = { prepareDependencies, installPackages, installPinned, npm }
