import { parseArgs } from 'node:util'
import { planDefaults, sourceNames } from '../../load/tester/plan.ts'

/** One option of `sluice load`: the table is what is parsed and what `--help` shows. */
interface Option {
  readonly type: 'string' | 'boolean'
  /** What stands for the value in the help. */
  readonly value?: string
  readonly multiple?: true
  readonly help: string
}

const groups = {
  'Where to': {
    url: {
      type: 'string',
      value: 'URL',
      multiple: true,
      help: 'the socket, ws://… or wss://…; several: each dial takes one by chance (ws://127.0.0.1:8080/v1/socket)',
    },
    'i-may-load': {
      type: 'string',
      value: 'HOST',
      multiple: true,
      help: 'you may send load to this host, which is not this machine',
    },
    model: { type: 'string', value: 'NAME', help: 'the model asked for (the gateway’s own; of a recording, its own)' },
  },
  'Who asks': {
    'secret-env': { type: 'string', value: 'NAME', help: 'the variable with the HS256 secret to sign tokens with' },
    'secret-file': { type: 'string', value: 'FILE', help: 'the same from a file' },
    'token-url': {
      type: 'string',
      value: 'URL',
      help: 'or fetch tokens here, with ?subject=… (/dev/token of the first --url)',
    },
    tenant: { type: 'string', value: 'NAME', help: 'claims of signed tokens' },
    project: { type: 'string', value: 'NAME', help: '' },
    scope: { type: 'string', value: 'WORDS', help: '' },
    issuer: { type: 'string', value: 'NAME', help: '' },
    audience: { type: 'string', value: 'NAME', help: '' },
    'token-life': {
      type: 'string',
      value: 'TIME',
      help: 'how long signed tokens live; they are refreshed on the live socket after half of it (1h)',
    },
  },
  'What is asked': {
    source: { type: 'string', value: 'KIND', help: `${sourceNames.join(', ')} (${planDefaults.source})` },
    file: { type: 'string', value: 'FILE', help: 'of every source but made' },
    sessions: { type: 'string', value: 'N', help: 'at most so many sessions' },
    questions: { type: 'string', value: 'N', help: `made: questions a session (${planDefaults.questions})` },
    'input-tokens': { type: 'string', value: 'N', help: `made: length of a question (${planDefaults.inputTokens})` },
    tokens: {
      type: 'string',
      value: 'N',
      help: 'length of an answer where the source does not say (made: 100; else as it comes)',
    },
    directives: {
      type: 'string',
      value: 'on|off',
      help: 'ask the bundled model server for that length, by a line [[tokens=N]]; another model reads it as text (on)',
    },
  },
  When: {
    arrivals: {
      type: 'string',
      value: 'open|closed',
      help: 'open: each question at its time, and waiting counts; closed: as many sockets as --sockets, each with one session after the other (open with times of a trace, else closed)',
    },
    sockets: { type: 'string', value: 'N', help: `closed: sockets at once (${planDefaults.sockets})` },
    rate: {
      type: 'string',
      value: 'N',
      help: `open, without a trace: sessions that begin each second (${planDefaults.ratePerSecond})`,
    },
    speed: { type: 'string', value: 'X', help: 'a trace goes so many times faster (1)' },
    ramp: { type: 'string', value: 'TIME', help: 'sockets, or arrivals, rise over so long (0)' },
    duration: {
      type: 'string',
      value: 'TIME',
      help: 'nothing is asked after it (made without --sessions: 30s; else to the end)',
    },
    grace: { type: 'string', value: 'TIME', help: 'how long answers under way may take then (30s)' },
    patience: {
      type: 'string',
      value: 'TIME',
      help: 'how long one answer may take; then its session is given up (10m)',
    },
    think: { type: 'string', value: 'TIME', help: 'from an answer to the next question, in the mean (0)' },
  },
  'What goes wrong': {
    'kill-every': { type: 'string', value: 'TIME', help: 'each socket is cut after about so long' },
    away: { type: 'string', value: 'TIME', help: 'and its user is away for about so long (2s)' },
    slow: {
      type: 'string',
      value: 'SHARE',
      help: 'share of sockets that read slowly, 0 to 1; their times do not count',
    },
    'slow-bytes': { type: 'string', value: 'N', help: 'so many bytes a second (1000)' },
    watchers: { type: 'string', value: 'N', help: 'further sockets that watch each session (0)' },
    cancel: { type: 'string', value: 'SHARE', help: 'share of answers that are cancelled under way, 0 to 1 (0)' },
  },
  'What is checked and told': {
    check: {
      type: 'string',
      value: 'hash|text',
      help: 'every answer: length, SHA-256, order, once; text: and that it is the bundled model server’s (hash)',
    },
    history: { type: 'boolean', help: 'read each session’s history in the end and compare it' },
    slo: { type: 'string', value: 'SLO', multiple: true, help: 'such as ttft<500ms@99%; several' },
    'faults-max': { type: 'string', value: 'N', help: `stop after so many wrong answers (${planDefaults.faultsMax})` },
    json: { type: 'string', value: 'FILE', help: 'write the result' },
    html: { type: 'string', value: 'FILE', help: 'write the report' },
    compare: { type: 'string', value: 'FILE', help: 'with the result of an earlier run (--json)' },
    name: { type: 'string', value: 'TEXT', help: 'what the run is called (source and time)' },
  },
  'How it runs': {
    workers: { type: 'string', value: 'N', help: 'processes (one less than processors)' },
    interval: { type: 'string', value: 'TIME', help: 'of the series (1s)' },
    seed: { type: 'string', value: 'N', help: 'of all that is drawn (1)' },
    help: { type: 'boolean', help: 'this text' },
  },
} as const satisfies Record<string, Record<string, Option>>

type Groups = typeof groups
type OptionName = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups] & string
type Several = 'url' | 'i-may-load' | 'slo'
type Switch = 'history' | 'help'

/** The options as they were given, not yet understood. */
export type Given = {
  readonly [Name in OptionName]?: Name extends Several ? readonly string[] : Name extends Switch ? boolean : string
}

/** What was wrong on the command line: exit code 2. */
export class UsageError extends Error {}

/** @throws UsageError at an option that is not there, or without its value. */
export function readOptions(args: readonly string[]): Given {
  const all: Record<string, Option> = Object.assign({}, ...Object.values(groups))
  const options = Object.fromEntries(
    Object.entries(all).map(([name, { type, multiple = false }]) => [name, { type, multiple }]),
  )
  try {
    // The table that is parsed by is the one that the type is made of.
    return parseArgs({ args: [...args], options, strict: true }).values as Given
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\nsee --help`)
  }
}

export function helpText(): string {
  return [usage, ...Object.entries(groups).map(([name, options]) => groupText(name, options)), examples].join('\n\n')
}

function groupText(name: string, options: Record<string, Option>): string {
  const rows = Object.entries(options).map(([option, { value, help }]) => {
    return `  ${`--${option}${value === undefined ? '' : ` ${value}`}`.padEnd(24)} ${wrapped(help)}`.trimEnd()
  })
  return [`${name}:`, ...rows].join('\n')
}

const helpWidth = 90
function wrapped(text: string): string {
  const lines = text.match(new RegExp(`.{1,${helpWidth}}(?:\\s|$)`, 'g')) ?? ['']
  return lines.map((line) => line.trimEnd()).join(`\n${' '.repeat(27)}`)
}

const usage = `usage: sluice load [options]      (or npm run load -- [options])

Replays sessions against a Sluice and checks every answer. TIME is 500ms, 20s, 5m or 1h; a bare number is seconds.`

const examples = `Exit code:
  0  every answer was right and every SLO was met
  1  an SLO was missed, or nothing was answered
  2  wrong usage
  3  wrong answers, or a worker process was lost

Ctrl-C stops and reports what there is; twice ends at once.

Examples, against npm start:
  npm run load -- --sockets 50 --duration 20s
  npm run load -- --source azure --file trace.csv --speed 4 --duration 1m --slo 'ttft<500ms@99%' --json run.json
  npm run load -- --sockets 200 --ramp 10s --kill-every 15s --away 2s --watchers 1 --cancel 0.1 --check text`
