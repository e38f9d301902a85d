/** The environment: every variable of the gateway, `REDIS_URL` among them. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { variables } from '../../../gateway/config/variables.ts'
import { readConfig } from '../../../gateway/config.ts'
import { redisTarget } from '../../../sessions/redis/redis-url.ts'
import { many, nasty } from '../generate.ts'
import { inOrder, listOf, mostly, oneOf, repeated, textsOf, word, words } from '../grammar/pieces.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage, kindOf } from './promises.ts'

const names = Object.keys(variables)
const secretValue = 'canary-0123456789abcdef-0123456789abcdef'

/** A line for each variable, as in a file of them. */
function run({ text }: Input): string {
  // An environment is UTF-8, so it has no half of a pair.
  const lines = text.toWellFormed().split('\n')
  const environment = Object.fromEntries(lines.map((line) => pairOf(line)))
  const target = redisTarget(lines[0] ?? '')
  const result = readConfig(environment)
  const kind = target?.kind ?? 'no-redis'
  if (result.kind === 'ok') return `${kind} ok`
  for (const problem of result.problems) {
    assertMessage(problem)
    assert.ok(!problem.includes(secretValue), 'a problem repeats a value')
  }
  return `${kind} ${kindOf(result.problems[0] ?? '')}`
}

function pairOf(line: string): [string, string] {
  const at = line.indexOf('=')
  return at < 0 ? [line, ''] : [line.slice(0, at), line.slice(at + 1)]
}

const value = mostly(
  [
    6,
    words(
      '1',
      '0',
      '30000',
      'true',
      'on',
      '*',
      'ws',
      '127.0.0.1',
      'https://a.example',
      'a,b',
      '10.0.0.0/8,::1/128',
      'HS256,RS256',
      secretValue,
      '-1',
      '1e9',
      '0x10',
      '9007199254740993',
    ),
  ],
  [2, textsOf(nasty)],
  [1, repeated('a', many)],
  [1, repeated('10.0.0.0/8,', many)],
)
const variable = inOrder(oneOf(words(...names), words('SLUICE_TYPO', 'SLUICE_PROT', '__proto__')), word('='), value)
const redisUrl = inOrder(
  words('redis://', 'rediss://', 'redis+sentinel://', 'redis+cluster://', 'http://', ''),
  words('', 'user:pa%20ss@', ':p@', '%@', '@'),
  oneOf(listOf(words('host', '[::1]', 'h:6379', 'h:99999', 'h:0', '', '[', 'a b'), ','), repeated('h,', many)),
  words('', '/0', '/master', '/master/1', '/1?x=1', '?sentinelPassword=a', '/%'),
)

export const settings: Target = {
  name: 'settings',
  what: 'variables of the environment',
  grammar: fc.oneof(
    listOf(variable, '\n', 10),
    inOrder(redisUrl, word('\nREDIS_URL='), redisUrl, word('\n'), variable),
  ),
  unitsMax: 64 * 1024,
  bound: { cpuMs: 200, heapBytes: 32 * 1024 * 1024 },
  run,
}
