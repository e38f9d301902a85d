/**
 * `npm run bench -- hostile`: what small clients that mean harm cost a gateway, and what a user beside them notices.
 *
 * Each line of the table runs alone, against a gateway process of its own, from an attacker process of low priority. What
 * is measured is seen from outside: ports, and the kernel's figures of the gateway's process, so that any checkout of
 * Sluice can be measured beside this one. After the lines comes a mixed attack from many addresses beside honest streams.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ownCheckout } from '../gateway-process.ts'
import { machine } from '../machine.ts'
import { lines } from './lines.ts'
import { measureLine, type Transport } from './measure.ts'
import { benchMixed, type MixedFigures } from './mixed.ts'
import { type LineResult, type LineRounds, linesLegend, linesReport, mixedReport } from './report.ts'

export interface HostileOptions {
  /** Checkouts to measure side by side, in the order of the table; `.` is this one. */
  readonly checkouts: readonly string[]
  readonly transports: readonly Transport[]
  /** Names of lines, or `mixed`; a name that ends with `*` takes all that begin with it. */
  readonly only: readonly string[]
  readonly roundCount: number
  /** Of each round of the mixed attack. */
  readonly mixedSeconds: number
  say(line: string): void
}

/** The name of the mixed attack among the lines. */
const mixed = 'mixed'

export async function benchHostile(options: HostileOptions): Promise<string> {
  const { transports, say } = options
  const names = chosenLines(options.only)
  say(machine())
  const reports: string[] = []
  let legend = ''
  for (const transport of transports) {
    const results = await measureLines(
      transport,
      names.filter((name) => name !== mixed),
      options,
    )
    const mixes = names.includes(mixed) ? await measureMixes(transport, options) : []
    legend ||= results.length === 0 ? '' : linesLegend(results)
    const report = [
      ...(results.length === 0 ? [] : [linesReport(transport, results)]),
      ...(mixes.length === 0 ? [] : [mixedReport(mixes)]),
    ].join('\n\n')
    await keepFigures(transport, { machine: machine(), results, mixes }, report)
    reports.push(report)
  }
  return [...(legend === '' ? [] : [legend]), ...reports].join('\n\n')
}

/** In the order of the table. Throws for a name that is not in it. */
export function chosenLines(only: readonly string[]): string[] {
  const all = [...Object.keys(lines), mixed]
  if (only.length === 0) return all
  const fits = (name: string, wanted: string) =>
    wanted.endsWith('*') ? name.startsWith(wanted.slice(0, -1)) : name === wanted
  const unknown = only.find((wanted) => !all.some((name) => fits(name, wanted)))
  if (unknown !== undefined) throw new Error(`--only '${unknown}' must be one of ${all.join(', ')}`)
  return all.filter((name) => only.some((wanted) => fits(name, wanted)))
}

async function measureLines(
  transport: Transport,
  names: readonly string[],
  options: HostileOptions,
): Promise<LineResult[]> {
  const results: LineResult[] = []
  for (const name of names) {
    const line = lines[name]
    if (line === undefined) continue
    const measured = options.checkouts.map((checkout) => {
      return { checkout, rounds: [] as LineRounds['rounds'][number][], problems: [] as string[] }
    })
    for (let round = 1; round <= options.roundCount; round++)
      for (const { checkout, rounds, problems } of measured) {
        try {
          const figures = await measureLine({ name, line, checkout: folderOf(checkout), transport })
          rounds.push(figures)
          options.say(`${transport} ${name} ${checkout} ${JSON.stringify(figures)}`)
        } catch (error) {
          problems.push(String(error))
          options.say(`${transport} ${name} ${checkout} failed: ${error}`)
        }
      }
    results.push({ name, line, measured })
  }
  return results
}

async function measureMixes(transport: Transport, options: HostileOptions): Promise<MixedFigures[]> {
  const { checkouts, mixedSeconds: seconds, roundCount, say } = options
  const mixes: MixedFigures[] = []
  for (const checkout of checkouts) {
    say(`${transport} mixed attack on ${checkout}`)
    const figures = await benchMixed({ checkout: folderOf(checkout), transport, seconds, roundCount, say })
    mixes.push({ ...figures, checkout })
  }
  return mixes
}

function folderOf(checkout: string): string {
  return checkout === '.' ? ownCheckout : checkout
}

/** All rounds, and the table, beside the other benchmarks' reports. */
async function keepFigures(transport: Transport, figures: object, report: string): Promise<void> {
  const dir = join(ownCheckout, '.cache', 'bench')
  await mkdir(dir, { recursive: true })
  await writeFile(join(dir, `hostile-${transport}.figures.json`), `${JSON.stringify(figures, undefined, 2)}\n`)
  await writeFile(join(dir, `hostile-${transport}.md`), `${report}\n`)
}
