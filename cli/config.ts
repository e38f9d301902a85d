import { describeConfig, readConfig } from '../gateway/config.ts'

/** Says every variable with its meaning, unit, default and range, then what is wrong with those that are set. */
export async function run(): Promise<number> {
  for (const { name, meaning, unit, default: preset, range } of describeConfig()) {
    process.stdout.write(`${name}\n    ${meaning}\n    ${unit}; ${range}; default: ${preset}\n`)
  }
  const read = readConfig(process.env)
  if (read.kind === 'ok') {
    process.stdout.write('\nThe configuration of this environment is whole.\n')
    return 0
  }
  process.stderr.write(`\n${read.problems.join('\n')}\n`)
  return 1
}
