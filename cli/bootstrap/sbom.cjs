'use strict'

// The software bill of materials: CycloneDX, as npm makes it of the lock file, of what runs in production. What changes
// from run to run (a serial number, the time) is taken out, so that two of one commit are the same file.

const fs = require('node:fs')
const path = require('node:path')
const { Failure, inProject, say } = require('./project.cjs')
const { npm } = require('./dependencies.cjs')

const SBOM_TIMEOUT_MS = 60_000
const standardFile = inProject('dist', 'sbom.cdx.json')

/** Of one component: by its name and version, whatever npm's order is. */
const byReference = (one, other) => (one['bom-ref'] < other['bom-ref'] ? -1 : 1)

/** `name@version` of each package of the lock file that is not for development alone. */
function runningReferences() {
  const { packages } = JSON.parse(fs.readFileSync(inProject('package-lock.json'), 'utf8'))
  const running = Object.entries(packages).filter(
    ([place, { dev, devOptional }]) => place !== '' && !dev && !devOptional,
  )
  const nameAt = (place) => place.slice(place.lastIndexOf('node_modules/') + 'node_modules/'.length)
  return new Set(running.map(([place, { version }]) => `${nameAt(place)}@${version}`))
}

function withoutChance({ serialNumber: _, ...sbom }) {
  const { timestamp: __, tools: ___, ...metadata } = sbom.metadata
  // npm takes the folder's name.
  metadata.component.name = JSON.parse(fs.readFileSync(inProject('package.json'), 'utf8')).name
  // npm's own `--omit=dev` also leaves out what is a peer of something for development: zod and ws among them.
  const running = runningReferences()
  const components = sbom.components.filter((component) => running.has(component['bom-ref'])).sort(byReference)
  const dependencies = sbom.dependencies.filter(({ ref }) => running.has(ref) || ref === metadata.component['bom-ref'])
  for (const one of dependencies) one.dependsOn = one.dependsOn.filter((reference) => running.has(reference))
  return { ...sbom, metadata, components, dependencies }
}

/** The runtime that npm's list lacks. */
function nodeComponent() {
  const { version } = JSON.parse(fs.readFileSync(inProject('package-lock.json'), 'utf8')).packages['node_modules/node']
  const reference = `node@${version}`
  return {
    'bom-ref': reference,
    type: 'platform',
    name: 'node',
    version,
    scope: 'required',
    purl: `pkg:generic/${reference}`,
  }
}

/** `args`: the file to write; default dist/sbom.cdx.json. Answers the exit code. */
async function writeSbom(node, [file = standardFile]) {
  const args = ['sbom', '--sbom-format=cyclonedx', '--package-lock-only', '--loglevel=error']
  const { code, output } = await npm(node, args, { timeoutMs: SBOM_TIMEOUT_MS, keptBytes: Number.POSITIVE_INFINITY })
  if (code !== 0) throw new Failure(`${output}\nunable to write the bill of materials: npm ended with ${code}`)
  const sbom = withoutChance(JSON.parse(output))
  sbom.components.push(nodeComponent())
  fs.mkdirSync(path.dirname(path.resolve(file)), { recursive: true })
  fs.writeFileSync(file, `${JSON.stringify(sbom, undefined, 2)}\n`)
  say(`Wrote ${path.relative(process.cwd(), file)}: ${sbom.components.length} components`)
  return 0
}

module.exports = { writeSbom }
