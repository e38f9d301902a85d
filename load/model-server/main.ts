// The model server as a process of its own: `node load/model-server/main.ts [--port=N] [--ttft=MS] [--tps=N] …`.
//
// It prints one line of JSON when it is ready, `{"listening":"http://127.0.0.1:PORT/v1"}`, and lives only as long as who
// started it: it ends when the IPC channel closes or, without one, when a piped standard input does. A terminal or
// /dev/null as input ends nothing, so it can be run by hand and as a service.
//
// The variables have a prefix, `PORT` alone is not read: a gateway that starts this process hands its environment on, and
// its own PORT is the gateway's.
import { fstatSync } from 'node:fs'
import { startModelServer } from './server.ts'
import { parseSettings, type ScriptOptions, SETTING_NAMES, type Settings } from './settings.ts'

const ENVIRONMENT_PREFIX = 'SLUICE_MODEL_SERVER_'

/** The pace of a model that people know. */
const DEMO_PACE = { ttftMs: 250, tokensPerSecond: 50 }

function givenValues(names: readonly string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>()
  for (const name of names) {
    const value = process.env[ENVIRONMENT_PREFIX + name.toUpperCase().replaceAll('-', '_')]
    if (value !== undefined && value !== '') given.set(name, value)
  }
  for (const argument of process.argv.slice(2)) {
    const [, name, value] = /^--([a-z-]+)=(.*)$/.exec(argument) ?? []
    if (name === undefined || value === undefined || !names.includes(name)) {
      fail(`argument '${argument}' must be one of ${names.map((known) => `--${known}=…`).join(' ')}`)
    }
    given.set(name, value)
  }
  return given
}

function fail(reason: string): never {
  process.stderr.write(`unable to start the model server: ${reason}\n`)
  process.exit(2)
}

function readPort(text: string | undefined): number {
  if (text === undefined) return 0
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
  return port <= 65_535 ? port : fail(`port '${text}' must be 0 to 65535`)
}

function readSwitch(text: string | undefined): boolean {
  if (text === undefined || text === 'on') return true
  return text === 'off' ? false : fail(`directives '${text}' must be on or off`)
}

function readSettings(given: ReadonlyMap<string, string>): Partial<Settings> {
  const pairs = SETTING_NAMES.filter((name) => given.has(name)).map((name) => `${name}=${given.get(name)}`)
  const parsed = parseSettings(pairs)
  return parsed.kind === 'ok' ? parsed.value : fail(parsed.message)
}

function endWithParent(): void {
  if (process.channel !== undefined && process.channel !== null) {
    process.on('disconnect', () => process.exit(0))
    return
  }
  const input = fstatSync(0)
  if (!input.isFIFO() && !input.isSocket()) return
  process.stdin.on('end', () => process.exit(0))
  process.stdin.on('error', () => process.exit(0))
  process.stdin.resume()
}

endWithParent()
const given = givenValues(['port', 'directives', ...SETTING_NAMES])
const script: ScriptOptions = { ...DEMO_PACE, ...readSettings(given), directives: readSwitch(given.get('directives')) }
const server = await startModelServer({ ...script, port: readPort(given.get('port')), keptRequestCount: 0 })
process.stdout.write(`${JSON.stringify({ listening: server.url })}\n`)
