'use strict'

// What Sluice is measured against (`npm run bench -- peers`). Nothing else needs it, so nothing else downloads it.

const { inProject } = require('./project.cjs')
const { installPackages } = require('./dependencies.cjs')

/** Installs what load/peers names, when it is missing or changed; `node` runs npm. */
const preparePeers = (node) => installPackages(inProject('load', 'peers'), node, 'the servers to compare with (90 MB)')

module.exports = { preparePeers }
