import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

/** `sluice config`, and what a bad `sluice.yaml` does to the others: processes in a folder of their own. */

const main = new URL('../../cli/main.ts', import.meta.url).pathname
const example = new URL('../../sluice.example.yaml', import.meta.url).pathname
const deadlineMs = 30_000

interface Ended {
  readonly code: unknown
  readonly said: string
  readonly complained: string
}

async function folderWith(text: string | undefined): Promise<string> {
  const dir = await mkdtemp(path.join(tmpdir(), 'sluice-cli-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  if (text !== undefined) await writeFile(path.join(dir, 'sluice.yaml'), text)
  return dir
}

function run(cwd: string, args: readonly string[], variables: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const env = { PATH: process.env.PATH, PORT: '0', SLUICE_METRICS_PORT: 'off', ...variables }
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [main, ...args],
      { cwd, env, timeout: deadlineMs },
      (_, said, complained) => resolve({ code: child.exitCode, said, complained }),
    )
  })
}

const bad = 'version: 1\nretry: { brakes: 2 }\n'

describe('sluice config check', () => {
  test('[CLI-14] says what a whole file comes to, without a secret', async () => {
    const secrets = { OPENAI_API_KEY: 'sk-first-secret', GROQ_API_KEY: 'sk-second-secret' }
    const { code, said, complained } = await run(await folderWith(undefined), ['config', 'check', example], secrets)
    expect({ code, complained }).toEqual({ code: 0, complained: '' })
    expect(said).toContain('sluice.example.yaml is whole.\n')
    expect(said).toContain('fast (default) → openai-mini (tier 1, weight 3), groq (tier 1, weight 1), local (tier 2')
    expect(said).toContain('limits: subject 30 messages a minute')
    expect(said).toContain('cache: off')
    expect(said).not.toContain('secret')
  })

  test('[CLI-14] takes sluice.yaml of the working directory, and tells its problems with those of the environment', async () => {
    const { code, said, complained } = await run(await folderWith(bad), ['config', 'check'], { SLUICE_PRT: '1' })
    expect({ code, said }).toEqual({ code: 1, said: '' })
    expect(complained.split('\n')).toEqual([
      'SLUICE_PRT is not a variable of Sluice; did you mean PORT?',
      'sluice.yaml:2:10 retry has a key here that there is not; did you mean breaks?',
      '',
    ])
  })

  test('[CLI-14] without a file it shows what the environment comes to, and a warning is not an error', async () => {
    const alone = await run(await folderWith(undefined), ['config', 'check'], { SLUICE_MODEL: 'gpt-x' })
    expect(alone).toMatchObject({
      code: 0,
      said: expect.stringMatching(/^There is no sluice.yaml; .*\n.*\n {2}gpt-x \(default\)/),
    })
    const unused = `version: 1
models: { a: { targets: [{ target: a }] } }
targets: { a: { baseUrl: "http://localhost/v1", model: a }, b: { baseUrl: "http://localhost/v1", model: b } }
`
    const warned = await run(await folderWith(unused), ['config', 'check'])
    expect(warned).toMatchObject({ code: 0, complained: 'warning: sluice.yaml:3:64 targets.b is used by no model\n' })
  })

  test('[CLI-14] a file that is not there is an error, and more words are wrong usage', async () => {
    const dir = await folderWith(undefined)
    expect(await run(dir, ['config', 'check', 'none.yaml'])).toMatchObject({
      code: 1,
      complained: expect.stringMatching(/^none\.yaml is not there/),
    })
    expect(await run(dir, ['config', 'check', 'a', 'b'])).toMatchObject({ code: 2 })
    const all = await run(dir, ['config'])
    expect(all).toMatchObject({ code: 0, said: expect.stringContaining('SLUICE_CONFIG_FILE\n') })
  })
})

test.each(['start', 'serve'])(
  '[CLI-15] with a bad sluice.yaml `sluice %s` does not start, and says why',
  async (command) => {
    const { code, said, complained } = await run(await folderWith(bad), [command], { OPENAI_API_KEY: 'sk-key' })
    expect({ code, said }).toEqual({ code: 1, said: '' })
    expect(complained).toBe(
      'unable to start:\n  - sluice.yaml:2:10 retry has a key here that there is not; did you mean breaks?\n',
    )
  },
)
