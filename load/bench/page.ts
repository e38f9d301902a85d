import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What one benchmark told when it was last run here. */
export interface BenchReport {
  readonly name: string
  /** What it measures, for people. */
  readonly what: string
  readonly command: string
  readonly machine: string
  /** ISO 8601. */
  readonly at: string
  readonly text: string
  /** The text is Markdown; default: it is shown as it is. */
  readonly isMarkdown?: boolean
}

const root = join(import.meta.dirname, '..', '..')
/** Not committed: figures belong to a machine, and go into the page when they are wanted there. */
const reportsDir = join(root, '.cache', 'bench')

export async function keepReport(report: BenchReport): Promise<void> {
  await mkdir(reportsDir, { recursive: true })
  await writeFile(join(reportsDir, `${report.name}.json`), `${JSON.stringify(report, undefined, 2)}\n`)
}

/** Writes docs/BENCHMARKS.md from what was last told here, in the order of `names`. Answers its path. */
export async function writePage(names: readonly string[]): Promise<string> {
  const files = await readdir(reportsDir).catch((): string[] => [])
  const kept = names.filter((name) => files.includes(`${name}.json`))
  if (kept.length === 0) throw new Error('unable to write the page: run a benchmark first')
  const reports = await Promise.all(kept.map(readReport))
  const file = join(root, 'docs', 'BENCHMARKS.md')
  await writeFile(file, pageOf(reports))
  return file
}

async function readReport(name: string): Promise<BenchReport> {
  // Written by `keepReport`.
  return JSON.parse(await readFile(join(reportsDir, `${name}.json`), 'utf8')) as BenchReport
}

export function pageOf(reports: readonly BenchReport[]): string {
  return [head, ...reports.map(section)].join('\n\n')
}

const head = `# Benchmarks

Made by \`npm run bench -- page\` from what the benchmarks told on one machine; each can be run alone (\`npm run bench -- NAME\`, see [CONTRIBUTING.md](../CONTRIBUTING.md)).

How it is measured: every server is a process of its own on the same node binary, and its CPU is what the kernel counts for it (\`/proc/PID/stat\`). Servers that are compared take turns, round after round, with
the same work; told is the median of the rounds with the least and the most. The provider and all clients run on the same machine, so with few processors they are in each other's way: ratios between servers of one run mean more than
any figure alone, and figures of two machines mean nothing beside each other. Nothing here is asserted; wrong answers end a run.`

function section({ what, command, machine, at, name, text, isMarkdown = false }: BenchReport): string {
  const title = what.split(':')[0] ?? name
  const shown = isMarkdown ? [text.trim()] : ['```text', text.trim(), '```']
  return [
    `## ${title.charAt(0).toUpperCase()}${title.slice(1)}`,
    '',
    `\`${command}\`, ${at.slice(0, 10)}, ${machine}`,
    '',
    ...shown,
  ].join('\n')
}
