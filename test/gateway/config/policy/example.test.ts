/** The example and the schema for editors say what the code does. */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { parsePolicyText } from '../../../../gateway/config/policy/read-policy.ts'
import { policyJsonSchema } from '../../../../gateway/config/policy/schema.ts'
import { policyIn } from './files.ts'

const root = path.resolve(import.meta.dirname, '../../../..')
const example = readFileSync(path.join(root, 'sluice.example.yaml'), 'utf8')

/** Keys of the schema, with what they may be, wherever they lie. */
function settingsIn(schema: unknown): [string, Record<string, unknown>][] {
  if (Array.isArray(schema)) return schema.flatMap(settingsIn)
  if (!isNode(schema)) return []
  const own = isNode(schema.properties) ? Object.entries(schema.properties).filter(isSetting) : []
  return [...own, ...Object.values(schema).flatMap(settingsIn)]
}

function isNode(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isSetting(entry: [string, unknown]): entry is [string, Record<string, unknown>] {
  return isNode(entry[1])
}

describe('sluice.example.yaml', () => {
  test('[CONF-43] is whole', async () => {
    const policy = await policyIn(example, { OPENAI_API_KEY: 'a', GROQ_API_KEY: 'b' })
    expect([...policy.models.keys()]).toEqual(['fast', 'private'])
  })

  test('[CONF-43] is whole with its comments too, but for the files that they name', () => {
    const uncommented = example.replaceAll(/^( +)# (?=- file:|wordsFile:|moderation:| {2}(?:url|key|model):)/gm, '$1')
    expect(uncommented.split('\n').filter((line) => /^ +(?:- file|wordsFile|moderation|url):/.test(line))).toHaveLength(
      4,
    )
    expect(parsePolicyText('sluice.yaml', uncommented)).toMatchObject({ kind: 'ok' })
    const connected = example.replaceAll(/^( +)# (?=connection:| {2}(?:proxy|caFile|certFile|keyFile):)/gm, '$1')
    expect(connected.split('\n').filter((line) => /^ +(?:connection|\w+File|proxy):/.test(line))).toHaveLength(5)
    expect(parsePolicyText('sluice.yaml', connected)).toMatchObject({ kind: 'ok' })
  })

  test('[CONF-43] names its schema, and every setting of it', () => {
    expect(example.split('\n')[0]).toBe('# yaml-language-server: $schema=docs/schema/sluice-yaml.schema.json')
    const names = new Set(settingsIn(policyJsonSchema()).map(([name]) => name))
    expect(names.size).toBeGreaterThan(60)
    expect([...names].filter((name) => !new RegExp(`\\b${name}:`).test(example))).toEqual([])
  })

  test('[CONF-43] says the defaults as they are', () => {
    const defaults = settingsIn(policyJsonSchema()).filter(([, { default: preset }]) => typeof preset === 'number')
    expect(defaults.length).toBeGreaterThan(15)
    const unsaid = defaults.filter(([name, { default: preset }]) => {
      const lines = example.split('\n').filter((line) => new RegExp(`\\b${name}\\b`).test(line))
      return !lines.some((line) => new RegExp(`default(?:\\): | )${preset}\\b|\\b${preset} \\(default\\)`).test(line))
    })
    // Those of the limits of a target are told once, above them.
    expect(unsaid.map(([name]) => name)).toEqual(['concurrent', 'requestsPerMinute', 'tokensPerMinute'])
  })
})

describe('the schema for editors', () => {
  test('[CONF-43] every setting has a description', () => {
    const mute = settingsIn(policyJsonSchema()).filter(([, { description }]) => typeof description !== 'string')
    expect(mute.map(([name]) => name)).toEqual([])
  })

  test('[CONF-43] refuses keys that there are not, as the code does', () => {
    const open = settingsIn({ properties: { file: policyJsonSchema() } }).filter(
      ([, { properties, additionalProperties }]) => properties !== undefined && additionalProperties !== false,
    )
    expect(open.map(([name]) => name)).toEqual([])
    expect(Object.keys(parse(example))).toEqual(
      Object.keys(Object(policyJsonSchema()).properties).filter((name) => name !== ''),
    )
  })
})
