import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { type FileFlags, openFileFlags } from '../../gateway/flags/file-flags.ts'
import { noFlags } from '../../orchestrator/flags.ts'

const who = { tenant: 'acme', subject: 'ada', session: 'session', project: 'help' }
const open: FileFlags[] = []

afterEach(async () => {
  for (const flags of open.splice(0)) await flags.close()
})

/** Flags from a file with this text, or none, and the way to write another and have it looked at. */
async function started(text?: string) {
  const file = join(mkdtempSync(join(tmpdir(), 'sluice-flags-')), 'flags.yaml')
  const said: unknown[] = []
  let look: () => void = () => undefined
  if (text !== undefined) writeFileSync(file, text)
  const flags = await openFileFlags(
    file,
    (run) => {
      look = run
      return () => void said.push('stopped')
    },
    { changed: (now) => void said.push(now), refused: (reason) => void said.push(reason) },
  )
  open.push(flags)
  const write = (next: string | undefined) => {
    if (next === undefined) rmSync(file)
    else writeFileSync(file, next)
    look()
  }
  return { flags, said, write, look: () => look() }
}

async function shown(flags: { of: FileFlags['of'] }, more: Partial<typeof who> = {}) {
  const { hedging, continue: goesOn, cache, experiment } = await flags.of({ ...who, ...more })
  return { hedging, goesOn, cache, tone: experiment('prompt-tone'), other: experiment('hedging-not') }
}

const defaults = { hedging: true, goesOn: true, cache: true, tone: false, other: false }

it('[FLAG-1] risky paths are open and experiments are off, without a file and with an empty one', async () => {
  expect(await shown(noFlags)).toEqual(defaults)
  const { flags, said } = await started()
  expect(await shown(flags)).toEqual(defaults)
  expect(said).toEqual([expect.stringMatching(/unable to use the flags in .*flags\.yaml: ENOENT/)])
  expect(await shown((await started('')).flags)).toEqual(defaults)
})

it('[FLAG-2] a user’s word goes before its project’s, that before its tenant’s, and that before everybody’s', async () => {
  const text = `
hedging: false
continue: { on: true, tenants: { acme: false } }
cache: { on: true, projects: { help: false }, users: { eve: true } }
prompt-tone: { on: false, tenants: { acme: true }, projects: { help: false }, users: { ada: true } }
`
  const { flags, said } = await started(text)
  expect(await shown(flags)).toEqual({ hedging: false, goesOn: false, cache: false, tone: true, other: false })
  expect(await shown(flags, { subject: 'eve' })).toMatchObject({ cache: true, tone: false })
  expect(await shown(flags, { tenant: 'other', subject: 'eve', project: 'none' })).toMatchObject({
    goesOn: true,
    tone: false,
  })
  expect(said).toEqual([{ hedging: false, continue: true, cache: true, 'prompt-tone': false }])
})

it('[FLAG-3] a file that changes counts from the next turn on, and a turn keeps what it began with', async () => {
  const { flags, said, write, look } = await started('{ "hedging": true, "prompt-tone": true }')
  const turn = await flags.of(who)
  write('hedging: false')
  look()
  expect([turn.hedging, turn.experiment('prompt-tone')]).toEqual([true, true])
  expect(await shown(flags)).toEqual({ ...defaults, hedging: false })
  expect(said).toEqual([{ hedging: true, 'prompt-tone': true }, { hedging: false }])
})

it.each([
  ['no YAML', 'hedging: [', /flags\.yaml/],
  ['a word that is no switch', 'cache: false\nhedging: maybe', /hedging/],
  ['a misspelt field', 'cache: false\nhedging: { on: true, tenant: { acme: false } }', /hedging/],
  ['too many flags', Array.from({ length: 101 }, (_, index) => `f${index}: true`).join('\n'), /at most 100 flags/],
  ['too much text', `# ${'x'.repeat(300_000)}`, /above 262144 characters/],
  ['nothing any more', undefined, /ENOENT/],
])('[FLAG-4] with %s in it what counted goes on to count, whole, and it is said once', async (_, text, expected) => {
  const { flags, said, write, look } = await started('hedging: false')
  write(text)
  look()
  expect(await shown(flags)).toEqual({ ...defaults, hedging: false })
  expect(said).toEqual([{ hedging: false }, expect.stringMatching(expected)])
  write('hedging: true')
  expect([await shown(flags), said.length]).toEqual([defaults, 3])
})

it('[FLAG-5] two gateways of one process do not share what is switched, and one that closes looks no more', async () => {
  const one = await started('hedging: false')
  const other = await started('cache: false')
  expect(await shown(one.flags)).toEqual({ ...defaults, hedging: false })
  expect(await shown(other.flags)).toEqual({ ...defaults, cache: false })
  await one.flags.close()
  expect(one.said.at(-1)).toBe('stopped')
  expect(await shown(other.flags)).toEqual({ ...defaults, cache: false })
})
