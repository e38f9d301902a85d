'use strict'

// The one door of every npm script: makes complete what is missing, then runs the real thing on the project's own Node.
// It is plain CommonJS because it runs on whatever Node the machine has (18 to 26), before anything is installed.
//
//   start        the gateway, with the page built; tests' needs are never downloaded
//   test         vitest, with Redis, Chromium, nginx, helm and uWebSockets.js where the machine allows
//   check        types, lint, dead code, then test
//   simulate     the long run of test/simulation
//   fuzz         test/fuzz/main.ts: every parser, for some minutes
//   sbom         writes the software bill of materials to dist/
//   bench        cli/main.ts bench …, with uWebSockets.js and, for `peers`, the packages of load/peers
//   load         cli/main.ts load …
//   image-check  cli/image-check.ts

const path = require('node:path')
const { cacheDir, Failure, inProject, run, say } = require('./bootstrap/project.cjs')
const { prepareDependencies } = require('./bootstrap/dependencies.cjs')
const { preparePage } = require('./bootstrap/page.cjs')
const { findChromium, findHaproxy, findNginx, findPython, prepareMachine } = require('./bootstrap/machine.cjs')
const { prepareUws } = require('./bootstrap/uws.cjs')
const { preparePeers } = require('./bootstrap/peers.cjs')
const { prepareHelm } = require('./bootstrap/helm.cjs')
const { writeSbom } = require('./bootstrap/sbom.cjs')
const { runCheck, runTests } = require('./bootstrap/check.cjs')

const followParent = inProject('cli', 'bootstrap', 'follow-parent.cjs')

async function runOn(node, args, env = process.env) {
  const { code } = await run(node, ['--require', followParent, ...args], { env, show: true, follow: true })
  return code
}

async function start(args) {
  const node = await prepareDependencies()
  await preparePage(node)
  // Node keeps what it compiled, which takes a third off the next start.
  const env = { NODE_COMPILE_CACHE: path.join(cacheDir, 'compiled'), ...process.env }
  return runOn(node, [inProject('cli', 'main.ts'), 'start', ...args], env)
}

async function testEnvironment(node, uwsEntry) {
  const env = { ...process.env }
  // `node` in a shell that a test starts is then the same one.
  env.PATH = [path.dirname(node), inProject('node_modules', '.bin'), process.env.PATH ?? ''].join(path.delimiter)
  const chromium = findChromium()
  if (chromium !== undefined) env.SLUICE_TEST_CHROMIUM = chromium
  const python = await findPython()
  if (python !== undefined) env.SLUICE_TEST_PYTHON = python
  const nginx = findNginx()
  if (nginx !== undefined) env.SLUICE_TEST_NGINX = nginx
  const haproxy = findHaproxy()
  if (haproxy !== undefined) env.SLUICE_TEST_HAPROXY = haproxy
  if (uwsEntry !== undefined) env.SLUICE_UWS_PATH = uwsEntry
  return env
}

async function prepareTests() {
  const projectNode = await prepareDependencies()
  const machineLines = await prepareMachine()
  const { node, entry, lines } = await prepareUws(projectNode)
  const { helm, lines: helmLines } = await prepareHelm(projectNode)
  await preparePage(projectNode)
  const env = await testEnvironment(node, entry)
  if (helm !== undefined) env.SLUICE_TEST_HELM = helm
  return { node, env, lines: [...machineLines, ...lines, ...helmLines] }
}

async function test(args) {
  const { code } = await runTests(await prepareTests(), args)
  return code
}

/** Many histories of two nodes over one Redis, and every fault that is planted: `--histories N`, `--seed N`. */
async function simulate(args) {
  const environment = await prepareTests()
  const option = (name, standard) => (args.includes(name) ? args[args.indexOf(name) + 1] : standard)
  const seed = option('--seed', undefined)
  const env = { ...environment.env, SLUICE_TEST_HISTORIES: option('--histories', '100'), SLUICE_TEST_PLANTED: 'all' }
  if (seed !== undefined) env.SLUICE_TEST_SEED = seed
  const { code } = await runTests({ ...environment, env }, ['test/simulation'])
  return code
}

const check = async (args) => runCheck(await prepareTests(), args)

async function bench(args) {
  const projectNode = await prepareDependencies()
  const { node, entry, lines } = await prepareUws(projectNode)
  for (const line of lines) say(line)
  if (args[0] === 'peers') await preparePeers(projectNode)
  return runOn(node, [inProject('cli', 'main.ts'), 'bench', ...args], await testEnvironment(node, entry))
}

async function load(args) {
  return runOn(await prepareDependencies(), [inProject('cli', 'main.ts'), 'load', ...args])
}

async function fuzz(args) {
  return runOn(await prepareDependencies(), [inProject('test', 'fuzz', 'main.ts'), ...args])
}

async function sbom(args) {
  return writeSbom(await prepareDependencies(), args)
}

async function imageCheck(args) {
  return runOn(await prepareDependencies(), [inProject('cli', 'image-check.ts'), ...args])
}

const commands = new Map([
  ['start', start],
  ['test', test],
  ['check', check],
  ['simulate', simulate],
  ['fuzz', fuzz],
  ['sbom', sbom],
  ['bench', bench],
  ['load', load],
  ['image-check', imageCheck],
])

async function main() {
  const [name, ...args] = process.argv.slice(2)
  const command = commands.get(name)
  if (command === undefined) throw new Failure(`unable to run "${name}": know ${[...commands.keys()].join(', ')}`)
  return command(args)
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error) => {
    say(error instanceof Failure ? error.message.trim() : String(error.stack))
    process.exitCode = 1
  },
)
