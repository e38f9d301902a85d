'use strict'

// The chat page is built when its sources changed since the last build, and not otherwise: a start takes under 2 s.

const crypto = require('node:crypto')
const fs = require('node:fs')
const path = require('node:path')
const { cacheDir, Failure, inProject, readText, run, say, seconds } = require('./project.cjs')

const SOURCES = ['web', 'client', 'protocol', 'package-lock.json']
const BUILD_TIMEOUT_MS = 5 * 60_000
const builtPage = inProject('web', 'dist', 'index.html')
const stampFile = path.join(cacheDir, 'page.sha256')

function* filesUnder(place) {
  if (!fs.existsSync(place)) return
  if (!fs.statSync(place).isDirectory()) return yield place
  for (const name of fs.readdirSync(place).sort()) {
    if (name !== 'dist' && name !== 'node_modules') yield* filesUnder(path.join(place, name))
  }
}

function hashSources() {
  const hash = crypto.createHash('sha256')
  for (const source of SOURCES) {
    for (const file of filesUnder(inProject(source))) {
      hash.update(`${path.relative(inProject(), file)}\0`)
      hash.update(fs.readFileSync(file))
      hash.update('\0')
    }
  }
  return hash.digest('hex')
}

/** Builds web/dist if it is missing or older than its sources. */
async function preparePage(node) {
  if (!fs.existsSync(inProject('web', 'vite.config.ts'))) return
  const sources = hashSources()
  if (fs.existsSync(builtPage) && readText(stampFile) === sources) return
  const startedMs = Date.now()
  say('Building the page …')
  const vite = inProject('node_modules', 'vite', 'bin', 'vite.js')
  const { code, output } = await run(node, [vite, 'build', 'web'], { timeoutMs: BUILD_TIMEOUT_MS })
  if (code !== 0) throw new Failure(`${output}\nunable to build the page: vite ended with ${code}`)
  fs.mkdirSync(cacheDir, { recursive: true })
  fs.writeFileSync(stampFile, sources)
  say(`Built the page in ${seconds(startedMs)}`)
}

module.exports = { preparePage }
