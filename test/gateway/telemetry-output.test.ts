import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'

const source = new URL('../../gateway/telemetry/telemetry.ts', import.meta.url).href

/** A process that logs so many lines of so many characters and then ends as `end` says. */
function logger(lineCount: number, lineLength: number, end: string): ChildProcessByStdio<null, Readable, Readable> {
  const program = `
    const { createTelemetry } = await import(${JSON.stringify(source)})
    const config = { logLevel: 'info', metrics: { kind: 'off' }, exportTraces: false }
    const telemetry = await createTelemetry(config, { version: '1', environment: process.env })
    for (let n = 0; n < ${lineCount}; n++) telemetry.log.info({ n, fill: 'x'.repeat(${lineLength}) }, 'line')
    console.error('logged')
    ${end}`
  return spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'pipe'] })
}

describe('log lines on the standard output', () => {
  test.each(['await telemetry.close()', 'process.exit(0)', ''])(
    '[OBS-9] every line arrives, in order, when the process ends by "%s"',
    async (end) => {
      const lines = (await text(logger(2_000, 10, end).stdout)).trimEnd().split('\n')
      expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 2_000 }, (_, n) => n))
    },
  )

  test.each(['await telemetry.close()', 'process.exit(0)'])(
    '[OBS-9] a reader that went away does not keep the process from ending by "%s"',
    async (end) => {
      const child = logger(20_000, 100, end)
      await once(child.stdout, 'data')
      child.stdout.destroy()
      expect(await once(child, 'exit')).toEqual([0, null])
    },
  )

  test('[OBS-9] while nobody reads, 8 MiB are held; how many lines were dropped is told afterwards', async () => {
    const child = logger(20_000, 1_000, 'await new Promise((done) => setTimeout(done, 60_000).unref())')
    await once(child.stderr, 'data')
    const lines = (await text(child.stdout)).trimEnd().split('\n')
    const last = JSON.parse(lines.at(-1) ?? '')
    expect(last).toMatchObject({ level: 'warn', msg: expect.stringContaining('dropped') })
    expect(last.lineCount + lines.length - 1).toBe(20_000)
    expect(lines.join('\n').length).toBeLessThan(9 * 1024 * 1024)
  })
})
