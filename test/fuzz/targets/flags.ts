/** The file that feature flags are switched with. It is documented to throw, saying what is wrong. */
import assert from 'node:assert/strict'
import { parseFlags } from '../../../gateway/flags/flags-file.ts'
import { yamlFor } from '../grammar/yaml.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { kindOf } from './promises.ts'

const names = ['hedging', 'cache', 'prompt-tone', 'on', 'tenants', 'projects', 'users', 'acme', 'ada']

function run({ text }: Input): string {
  const flags = read(text)
  if (typeof flags === 'string') return flags
  for (const rule of flags.values()) {
    assert.equal(typeof rule.on, 'boolean')
    const isOn = rule.isOnFor?.({ subject: '__proto__', project: 'constructor', tenant: 'acme' })
    assert.ok(isOn === undefined || typeof isOn === 'boolean')
  }
  return `ok ${Math.min(3, flags.size)}`
}

function read(text: string): ReturnType<typeof parseFlags> | string {
  try {
    return parseFlags(text)
  } catch (error) {
    // Nothing else: a stack that is full is a RangeError.
    if (!(error instanceof Error) || error instanceof RangeError || error instanceof TypeError) throw error
    return kindOf(error.message)
  }
}

export const flags: Target = {
  name: 'flags',
  what: 'the file of feature flags',
  grammar: yamlFor(names, ['true', 'false', '{ acme: false }', '{ on: true, users: { ada: false } }']),
  unitsMax: 256 * 1024,
  bound: { cpuMs: 3_000, heapBytes: 512 * 1024 * 1024, leastHeapBytes: 80 * 1024 * 1024 },
  run,
}
