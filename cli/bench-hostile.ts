import { parseArgs } from 'node:util'
import { benchHostile } from '../load/bench/hostile/hostile.ts'

/** `sluice bench hostile`, with its options. `transports`: those that can be measured here. */
export async function hostile(
  args: readonly string[],
  transports: readonly ('ws' | 'uws')[],
  say: (line: string) => void,
): Promise<string> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      transport: { type: 'string', default: transports.join(',') },
      gateway: { type: 'string', default: '.' },
      rounds: { type: 'string', default: '2' },
      seconds: { type: 'string', default: '60' },
    },
  })
  const unknown = list(values.transport).find((name) => !transports.some((transport) => transport === name))
  if (unknown !== undefined) throw new Error(`--transport '${unknown}' must be one of ${transports.join(', ')}`)
  return `\n${await benchHostile({
    checkouts: list(values.gateway),
    transports: transports.filter((transport) => list(values.transport).includes(transport)),
    only: list(values.only),
    roundCount: wholeNumber('rounds', values.rounds),
    mixedSeconds: wholeNumber('seconds', values.seconds),
    say,
  })}`
}

function list(text: string): string[] {
  return text.split(',').filter((entry) => entry !== '')
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`--${name} '${text}' must be a whole number, 1 or more`)
}
