import { parseArgs } from 'node:util'
import { benchToken, report } from '../load/bench/token.ts'

/** `npm run bench:token -- [--streams 100] [--tps 50] [--seconds 10] [--rounds 3]`. It reports; nothing is asserted. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      streams: { type: 'string', default: '100' },
      tps: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '10' },
      rounds: { type: 'string', default: '3' },
    },
  })
  const tokensPerSecond = count('tps', values.tps)
  const rows = await benchToken({
    streamCount: count('streams', values.streams),
    tokensPerSecond,
    tokensEach: tokensPerSecond * count('seconds', values.seconds),
    roundCount: count('rounds', values.rounds),
    uwsPath: process.env.SLUICE_UWS_PATH,
    say: (line) => process.stdout.write(`${line}\n`),
  })
  process.stdout.write(`\n${report(rows)}\n`)
  return 0
}

function count(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`--${name} '${text}' must be a whole number, 1 or more`)
}
