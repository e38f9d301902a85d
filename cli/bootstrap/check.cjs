'use strict'

// Tests, and the check that CI runs: types, lint, dead code, tests, each timed; all are run even when an early one
// fails. The last line is `N passed, N failed`; a step that failed counts as one failure.

const fs = require('node:fs')
const path = require('node:path')
const { cacheDir, inProject, run, say, seconds } = require('./project.cjs')

const STEP_TIMEOUT_MS = 10 * 60_000
const TESTS_TIMEOUT_MS = 45 * 60_000
const resultsFile = path.join(cacheDir, 'test-results.json')

const bin = (...parts) => inProject('node_modules', ...parts)

function steps() {
  const typescript = bin('typescript', 'bin', 'tsc')
  const ownProjects = ['client', 'web'].filter((name) => fs.existsSync(inProject(name, 'tsconfig.json')))
  return [
    { name: 'types', args: [typescript, '--noEmit'] },
    ...ownProjects.map((name) => ({ name: `types of ${name}/`, args: [typescript, '--noEmit', '-p', name] })),
    { name: 'lint', args: [bin('@biomejs', 'biome', 'bin', 'biome'), 'ci', '--error-on-warnings'] },
    { name: 'dead code', args: [bin('knip', 'bin', 'knip.js')] },
  ]
}

async function runStep(node, { name, args }) {
  const startedMs = Date.now()
  const { code, output } = await run(node, args, { timeoutMs: STEP_TIMEOUT_MS })
  if (code !== 0) say(output.trimEnd())
  say(`${code === 0 ? 'ok    ' : 'FAILED'} ${name}, ${seconds(startedMs)}`)
  return code === 0
}

function readCounts() {
  if (!fs.existsSync(resultsFile)) return { passed: 0, failed: 0 }
  const results = JSON.parse(fs.readFileSync(resultsFile, 'utf8'))
  // A file that does not even load has no test that could fail.
  const broken = results.testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0)
  return { passed: results.numPassedTests, failed: results.numFailedTests + broken.length }
}

/** Runs vitest; `environment` is what the preparation found. Answers `{code, passed, failed}`. */
async function runTests({ node, env, lines }, args) {
  for (const line of lines) say(line)
  fs.rmSync(resultsFile, { force: true })
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultsFile}`]
  const vitest = bin('vitest', 'vitest.mjs')
  const { code } = await run(node, [vitest, 'run', ...reporters, ...args], {
    env,
    show: true,
    timeoutMs: TESTS_TIMEOUT_MS,
  })
  for (const line of lines) say(line)
  return { code, ...readCounts() }
}

/** Runs everything. Answers the exit code. */
async function runCheck(environment, args) {
  const failedSteps = []
  for (const step of steps()) {
    if (!(await runStep(environment.node, step))) failedSteps.push(step.name)
  }
  const startedMs = Date.now()
  const tests = await runTests(environment, args)
  const isGreen = tests.code === 0 && tests.failed === 0 && tests.passed > 0
  say(`${isGreen ? 'ok    ' : 'FAILED'} tests, ${seconds(startedMs)}`)
  // Errors outside of any test, or no test at all, fail the run without a number of their own.
  const failedCount = failedSteps.length + (isGreen ? 0 : Math.max(1, tests.failed))
  if (failedSteps.length > 0) say(`Failed steps: ${failedSteps.join(', ')}`)
  process.stdout.write(`${tests.passed} passed, ${failedCount} failed\n`)
  return failedCount === 0 ? 0 : 1
}

module.exports = { runTests, runCheck }
