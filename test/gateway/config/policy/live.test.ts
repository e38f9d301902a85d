/** A `sluice.yaml` that changes while the gateway runs. */
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type LivePolicy, openPolicy } from '../../../../gateway/config/policy/live-policy.ts'
import type { Policy } from '../../../../orchestrator/policy.ts'
import { folder, sourcesOf } from './files.ts'

interface Line {
  readonly level: 'info' | 'warn' | 'error'
  readonly words: string
  readonly fields: object
}

function createLog() {
  const lines: Line[] = []
  const at = (level: Line['level']) => (fields: object, words: string) => {
    lines.push({ level, words, fields })
  }
  return { lines, info: at('info'), warn: at('warn'), error: at('error') }
}

const limited = (runningTurns: number, more = '') =>
  `version: 1\nlimits: { subject: { runningTurns: ${runningTurns} } }\n${more}`
const keyed = `version: 1
models: { fast: { targets: [{ target: a }] } }
targets: { a: { baseUrl: "https://a.example/v1", model: m, keys: [{ file: keys/one }] } }
`

interface Stage {
  readonly dir: string
  readonly file: string
  readonly live: LivePolicy
  readonly log: ReturnType<typeof createLog>
  readonly heard: Policy[]
  /** Looks as often as a change needs to be taken over. */
  look(): Promise<void>
}

async function stage(text: string, prepare: (dir: string) => Promise<void> = async () => undefined): Promise<Stage> {
  const dir = await folder()
  await prepare(dir)
  const file = path.join(dir, 'sluice.yaml')
  if (text !== '') await writeFile(file, text)
  const opening = await openPolicy(sourcesOf({ SLUICE_CONFIG_FILE: file }))
  if (opening.kind === 'invalid') throw new Error(opening.problems.join('\n'))
  const { live } = opening
  onTestFinished(() => live.close())
  const log = createLog()
  const heard: Policy[] = []
  live.onChange((policy) => heard.push(policy))
  const look = async () => {
    await live.check(log)
    await live.check(log)
  }
  return { dir, file, live, log, heard, look }
}

const turnsOf = (policy: Policy) => policy.limits.scopes.subject.runningTurns

describe('a change of the file', () => {
  test('[CONF-40] is taken over whole, and told to who listens until they leave', async () => {
    const { file, live, log, heard, look } = await stage(limited(1))
    const before = live.current()
    const others: Policy[] = []
    const leave = live.onChange((policy) => others.push(policy))
    await writeFile(file, limited(2))
    await look()
    expect(turnsOf(live.current())).toBe(2)
    expect(turnsOf(before)).toBe(1)
    expect(heard).toEqual([live.current()])
    expect(others).toEqual(heard)
    leave()
    await writeFile(file, limited(3))
    await look()
    expect([heard.length, others.length]).toEqual([2, 1])
    expect(log.lines.map(({ level }) => level)).toEqual(['info', 'info'])
  })

  test('[CONF-40] counts when two readings found the same', async () => {
    const { file, live, log } = await stage(limited(1))
    await writeFile(file, 'version: 1\nlimits: {}\n')
    await live.check(log)
    await writeFile(file, limited(2))
    await live.check(log)
    expect(turnsOf(live.current())).toBe(1)
    await live.check(log)
    expect(turnsOf(live.current())).toBe(2)
    expect(log.lines).toHaveLength(1)
  })

  test('[CONF-40] that is bad leaves what was before, and says why, once', async () => {
    const { file, live, log, heard, look } = await stage(limited(1))
    const before = live.current()
    await writeFile(file, limited(2, 'retry: { brakes: 3 }\n'))
    await look()
    await look()
    expect(live.current()).toBe(before)
    expect(heard).toEqual([])
    expect(log.lines).toEqual([
      {
        level: 'error',
        words: 'the changed configuration is refused: the one before stays',
        fields: { file, problems: [`${file}:3:10 retry has a key here that there is not; did you mean breaks?`] },
      },
    ])
    await writeFile(file, limited(2, 'retry: { breaks: 3 }\n'))
    await look()
    expect(live.current()).toMatchObject({ retry: { breaks: 3 } })
  })

  test('[CONF-40] that removes it, or makes it unreadable, leaves what was before', async () => {
    const { file, live, log, look } = await stage(limited(1))
    await rm(file)
    await look()
    await mkdir(file)
    await look()
    expect(turnsOf(live.current())).toBe(1)
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'error'])
    await rm(file, { recursive: true })
    await writeFile(file, limited(1))
    await look()
    await writeFile(file, limited(4))
    await look()
    expect(turnsOf(live.current())).toBe(4)
  })

  test('[CONF-40] reaches the others when one listener throws', async () => {
    const { file, live, log, look } = await stage(limited(1))
    live.onChange(() => {
      throw new Error('a bug')
    })
    const later: Policy[] = []
    live.onChange((policy) => later.push(policy))
    await writeFile(file, limited(2))
    await look()
    expect(later.map(turnsOf)).toEqual([2])
    expect(log.lines.map(({ level }) => level)).toEqual(['info', 'error'])
  })

  test('[CONF-40] is found by itself', async () => {
    const { file, live, log } = await stage(limited(1))
    const changed = new Promise<Policy>((resolve) => live.onChange(resolve))
    live.watch(log, 1)
    await writeFile(file, limited(2))
    expect(turnsOf(await changed)).toBe(2)
  })

  test('[CONF-40] of a list of words counts too', async () => {
    const text = 'version: 1\nprivacy: { filter: { wordsFile: words } }\n'
    const { dir, live, look } = await stage(text, (dir) => writeFile(path.join(dir, 'words'), 'one\n'))
    await writeFile(path.join(dir, 'words'), 'one\ntwo\n')
    await look()
    expect(live.current().privacy.everybody.filter.words).toEqual(['one', 'two'])
  })
})

describe('files of secrets', () => {
  const withKey = async (dir: string) => {
    await mkdir(path.join(dir, 'keys'))
    await writeFile(path.join(dir, 'keys', 'one'), 'sk-first\n')
  }
  const keyOf = (policy: Policy) => policy.targets.get('a')?.keys[0]

  test('[CONF-41] a rotated one is revealed by keys that are held already, also those of an older policy', async () => {
    const { dir, file, live, log, heard, look } = await stage(keyed, withKey)
    const first = keyOf(live.current())
    await writeFile(file, `${keyed}cache: { enabled: true }\n`)
    await look()
    await writeFile(path.join(dir, 'keys', 'one'), 'sk-second\n')
    await look()
    expect(heard).toHaveLength(1)
    expect(first?.reveal()).toBe('sk-second')
    expect(keyOf(live.current())?.reveal()).toBe('sk-second')
    expect(JSON.stringify(log.lines)).not.toMatch(/sk-/)
    expect(log.lines.at(-1)).toMatchObject({ level: 'info', fields: { files: [path.join(dir, 'keys', 'one')] } })
  })

  test('[CONF-41] one that turns bad leaves the key, and says why', async () => {
    const { dir, live, log, look } = await stage(keyed, withKey)
    for (const text of ['', 'sk-two\nsk-lines\n']) {
      await writeFile(path.join(dir, 'keys', 'one'), text)
      await look()
    }
    await rm(path.join(dir, 'keys', 'one'))
    await look()
    expect(keyOf(live.current())?.reveal()).toBe('sk-first')
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'error', 'error'])
    expect(JSON.stringify(log.lines)).not.toMatch(/sk-/)
  })

  test('[CONF-41] a rotated one is taken although the configuration is refused', async () => {
    const { dir, file, live, look } = await stage(keyed, withKey)
    await writeFile(file, 'version: 0\n')
    await look()
    await writeFile(path.join(dir, 'keys', 'one'), 'sk-second\n')
    await look()
    expect(keyOf(live.current())?.reveal()).toBe('sk-second')
  })

  test('[CONF-41] one that is missing lets the configuration in when it is there', async () => {
    const { dir, file, live, look } = await stage(keyed, withKey)
    await writeFile(file, keyed.replace('keys/one', 'keys/two'))
    await look()
    expect(keyOf(live.current())?.reveal()).toBe('sk-first')
    await writeFile(path.join(dir, 'keys', 'two'), 'sk-new\n')
    await look()
    expect(keyOf(live.current())?.reveal()).toBe('sk-new')
  })
})

describe('what Kubernetes mounts', () => {
  /** A mounted ConfigMap or Secret: the file is a link into `..data`, itself a link to a folder that is swapped. */
  async function mount(dir: string, version: number, files: Readonly<Record<string, string>>): Promise<void> {
    const folderName = `..2026_${version}`
    await mkdir(path.join(dir, folderName), { recursive: true })
    for (const [name, text] of Object.entries(files)) {
      await writeFile(path.join(dir, folderName, name), text)
      if (version === 1) await symlink(path.join('..data', name), path.join(dir, name))
    }
    await symlink(folderName, path.join(dir, '..data_tmp'))
    await rename(path.join(dir, '..data_tmp'), path.join(dir, '..data'))
    if (version > 1) await rm(path.join(dir, `..2026_${version - 1}`), { recursive: true })
  }

  test('[CONF-42] a swapped link is a change, of the configuration and of a secret', async () => {
    const { dir, live, heard, look } = await stage('', async (dir) => {
      await mount(dir, 1, { 'sluice.yaml': keyed })
      await mount(path.join(dir, 'keys'), 1, { one: 'sk-first' })
    })
    expect(live.current().targets.get('a')?.keys[0]?.reveal()).toBe('sk-first')
    await mount(dir, 2, { 'sluice.yaml': `${keyed}cache: { enabled: true }\n` })
    await mount(path.join(dir, 'keys'), 2, { one: 'sk-second' })
    await look()
    expect(await readFile(path.join(dir, 'sluice.yaml'), 'utf8')).toContain('enabled')
    expect(heard.map(({ cache }) => cache.isOn)).toEqual([true])
    expect(live.current().targets.get('a')?.keys[0]?.reveal()).toBe('sk-second')
  })
})
