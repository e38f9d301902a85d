/**
 * The `sluice` command. Each subcommand is a file of its own that calls into its layer; this one only finds it.
 * Errors for the operator are one line on stderr and exit code 1; wrong usage is 2.
 */

import { tuneCollector } from './tune-collector.ts'

interface Command {
  readonly summary: string
  /** Runs a gateway: its garbage is collected as one needs it. */
  readonly isGateway?: boolean
  load(): Promise<{ run(args: readonly string[]): Promise<number> }>
}

const commands = new Map<string, Command>([
  [
    'start',
    {
      summary: 'the gateway, with the bundled model server when no provider is configured',
      isGateway: true,
      load: () => import('./start.ts'),
    },
  ],
  [
    'serve',
    {
      summary: 'the gateway for production: a provider must be configured',
      isGateway: true,
      load: () => import('./serve.ts'),
    },
  ],
  ['token', { summary: 'sign a token with the first of SLUICE_JWT_SECRET', load: () => import('./token.ts') }],
  [
    'config',
    {
      summary: 'show every variable and check them; `config check [file]`: check sluice.yaml too',
      load: () => import('./config.ts'),
    },
  ],
  [
    'target',
    {
      summary: 'ask the targets of sluice.yaml: `target check [NAME …]`',
      load: () => import('./target.ts'),
    },
  ],
  ['prompt', { summary: 'look at prompts and try them: list, render, diff, eval', load: () => import('./prompt.ts') }],
  [
    'feedback',
    {
      summary: 'export what users shared of their feedback, as JSONL',
      load: () => import('./feedback.ts'),
    },
  ],
  [
    'bench',
    {
      summary: 'figures beside other servers, each by its name; without one it lists them',
      load: () => import('./bench.ts'),
    },
  ],
  [
    'load',
    {
      summary: 'replay sessions against a gateway and check every answer: `load --help`',
      load: () => import('./load.ts'),
    },
  ],
  [
    'schema',
    {
      summary: 'write the JSON Schema and OpenAPI documents to docs/schema, and the table in docs/LIMITS.md',
      load: () => import('./schema.ts'),
    },
  ],
])

async function main(): Promise<number> {
  const [name = '', ...args] = process.argv.slice(2)
  const command = commands.get(name)
  if (command === undefined) {
    process.stderr.write(`${usage()}\n`)
    return 2
  }
  if (command.isGateway === true) tuneCollector()
  const { run } = await command.load()
  return run(args)
}

function usage(): string {
  const rows = [...commands].map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`)
  return ['usage: sluice <command>', ...rows].join('\n')
}

// Who reads the output may have read enough: `sluice config | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
