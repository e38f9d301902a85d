'use strict'

// Brings node_modules to what package-lock.json says, and finds a Node that can run the project (24 or later).
//
// A stamp makes the usual start cheap. Without one npm's own record in node_modules is compared, so that a hand-made
// `npm ci` is not thrown away and done again.

const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { Failure, inProject, isExecutable, readText, root, run, say, seconds } = require('./project.cjs')

const NODE_MAJOR_MIN = 24
const INSTALL_TIMEOUT_MS = 15 * 60_000
const NPM_QUIET = ['--no-audit', '--no-fund', '--no-progress', '--no-update-notifier', '--loglevel=error']

const hashOf = (text) => crypto.createHash('sha256').update(text).digest('hex')

function stampOf(folder) {
  const lock = readText(path.join(folder, 'package-lock.json'))
  if (lock === undefined) throw new Failure(`package-lock.json is missing in ${folder}: restore it with git`)
  return `${hashOf(lock)} ${process.platform} ${process.arch}\n`
}

const stampFile = (folder) => path.join(folder, 'node_modules', '.sluice-stamp')

const isStamped = (folder) => readText(stampFile(folder)) === stampOf(folder)

// Optional packages are the ones of other platforms; those of this one cannot be told by the lock alone, so a folder
// that holds a stamp of another platform is never taken over.
function isInstalledByHand(folder) {
  const installed = readText(path.join(folder, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return false
  const stamp = readText(stampFile(folder))
  if (stamp !== undefined && !stamp.endsWith(` ${process.platform} ${process.arch}\n`)) return false
  const wanted = JSON.parse(readText(path.join(folder, 'package-lock.json'))).packages
  const present = JSON.parse(installed).packages
  return Object.entries(wanted).every(([name, entry]) => {
    if (name === '' || entry.optional || entry.devOptional) return true
    return present[name]?.version === entry.version && fs.existsSync(path.join(folder, name, 'package.json'))
  })
}

function npm(args, options) {
  const cli = process.env.npm_execpath
  // The npm that the user called, on the Node that it came with; else the one on the path.
  if (cli !== undefined && path.basename(cli) === 'npm-cli.js') return run(process.execPath, [cli, ...args], options)
  return run('npm', args, { ...options, shell: process.platform === 'win32' })
}

/** Installs what `folder`'s lock names, if it is not there yet. `what` and `hint` are for people. */
async function installPackages(folder, what, hint) {
  if (isStamped(folder)) return
  if (!isInstalledByHand(folder)) {
    const startedMs = Date.now()
    say(`Installing ${what} …`)
    const { code, output } = await npm(['ci', ...NPM_QUIET], { cwd: folder, timeoutMs: INSTALL_TIMEOUT_MS })
    if (code !== 0) {
      const shown = path.relative(root, folder)
      throw new Failure(
        `${output}\nunable to install ${what}: npm ci ended with ${code}. ${hint}\n` +
          `To see more: ${shown === '' ? '' : `cd ${shown} && `}npm ci`,
      )
    }
    say(`Installed ${what} in ${seconds(startedMs)}`)
  }
  fs.writeFileSync(stampFile(folder), stampOf(folder))
}

async function versionOf(node) {
  if (!isExecutable(node)) return undefined
  const { code, output } = await run(node, ['--version'], { timeoutMs: 30_000 })
  return code === 0 ? output.trim().replace(/^v/, '') : undefined
}

const isNewEnough = (version) => version !== undefined && Number.parseInt(version, 10) >= NODE_MAJOR_MIN

const projectNode = () => inProject('node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node')

// The `node` package fetches its binary in an install script. npm 12 blocks those that are not allowed, and anyone may
// have switched them off, so the script is then run by hand; it needs nothing but npm on the path.
async function fetchProjectNode() {
  const folder = inProject('node_modules', 'node')
  if (!fs.existsSync(path.join(folder, 'installArchSpecificPackage.js'))) return
  const startedMs = Date.now()
  say(`Fetching Node ${NODE_MAJOR_MIN} (this machine has ${process.version}) …`)
  const { code, output } = await run(process.execPath, ['installArchSpecificPackage'], {
    cwd: folder,
    env: { ...process.env, npm_config_loglevel: 'error', npm_config_audit: 'false', npm_config_fund: 'false' },
    timeoutMs: INSTALL_TIMEOUT_MS,
  })
  if (code !== 0) say(`${output}\nunable to fetch Node ${NODE_MAJOR_MIN}: its install script ended with ${code}`)
  else say(`Fetched Node ${NODE_MAJOR_MIN} in ${seconds(startedMs)}`)
}

// Asking a binary for its version costs 10 ms and a cold disk much more: once it has answered, its size and time stand for it.
const identityOf = (file) => {
  const { size, mtimeMs } = fs.statSync(file)
  return `${size} ${mtimeMs} ${process.platform} ${process.arch}\n`
}

async function isProvenNode(node) {
  if (!isExecutable(node)) return false
  const proof = inProject('node_modules', '.sluice-node')
  if (readText(proof) === identityOf(node)) return true
  if (!isNewEnough(await versionOf(node))) return false
  fs.writeFileSync(proof, identityOf(node))
  return true
}

/** The executable that runs the project: its own Node 24, or the machine's where that one cannot be had. */
async function findNode() {
  if (await isProvenNode(projectNode())) return projectNode()
  await fetchProjectNode()
  if (await isProvenNode(projectNode())) return projectNode()
  if (isNewEnough(process.versions.node)) return process.execPath
  throw new Failure(
    `Sluice needs Node ${NODE_MAJOR_MIN}; this machine has ${process.version}, and the project's own could not be fetched.\n` +
      `Install Node ${NODE_MAJOR_MIN} or later, or check that npm reaches its registry (npm ping), and run the command again.`,
  )
}

/** Makes node_modules complete and answers the Node to run the project with. */
async function prepareDependencies() {
  const hint = 'Check that npm reaches its registry (npm ping) and that the disk has 1 GB free.'
  await installPackages(root, 'what Sluice needs (about a minute the first time)', hint)
  return findNode()
}

module.exports = { prepareDependencies, installPackages, hashOf }
