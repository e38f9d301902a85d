import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Whatever the tests and the processes they start write to the system's folder for temporary files goes with the run. */
const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'))

export function setup(): void {
  process.env.TMPDIR = folder
}

export function teardown(): void {
  rmSync(folder, { recursive: true, force: true })
}
