/** What is wrong with a `sluice.yaml`, and how it is told. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openPolicy } from '../../../../gateway/config/policy/live-policy.ts'
import { parsePolicyText } from '../../../../gateway/config/policy/read-policy.ts'
import { folder, problemsIn, sourcesOf, warningsIn } from './files.ts'

const one = `version: 1
models: { fast: { targets: [{ target: local }] } }
targets: { local: { baseUrl: "http://localhost:1/v1", model: m } }
`

describe('places and words', () => {
  test('[CONF-29] all problems are told at once, each with path, line, column and what to do', async () => {
    const problems = await problemsIn(`version: 2
models:
  fast:
    targets: []
targets:
  groq:
    model: 4.1
    keys: [{ env: OPENAI_API_KEY, file: key }]
    limits: { waiting: -1, concurrent: "5" }
retry:
  breaks: 1.5
  afterContent: resume
breaker: { errorRatio: 7 }
cache: { enabled: yes }
limits: []
`)
    expect(problems.toSorted()).toEqual(
      [
        'sluice.yaml:1:10 version is none of its words; set 1',
        'sluice.yaml:4:14 models.fast.targets is too short a list; set 1 or more',
        'sluice.yaml:7:5 targets.groq.baseUrl is missing; add it (text)',
        'sluice.yaml:7:12 targets.groq.model is no text; put it in quotes',
        'sluice.yaml:8:12 targets.groq.keys[0] is no reference; set one of env and file',
        'sluice.yaml:9:24 targets.groq.limits.waiting is too small; set 0 or more',
        'sluice.yaml:9:40 targets.groq.limits.concurrent is in quotes; set a number without them',
        'sluice.yaml:11:11 retry.breaks is not a whole number; set one',
        'sluice.yaml:12:17 retry.afterContent is none of its words; set continue or restart or fail',
        'sluice.yaml:13:24 breaker.errorRatio is too large; set 1 or less',
        'sluice.yaml:14:19 cache.enabled is not true or false; set one',
        'sluice.yaml:15:9 limits is not a mapping; set one',
      ].toSorted(),
    )
  })

  test('[CONF-29] of many problems the first are told, and how many more there are', async () => {
    const tenants = Array.from({ length: 100 }, (_, index) => `    t${index}: { subject: { runningTurns: -1 } }`)
    const problems = await problemsIn(`version: 1\nlimits:\n  tenants:\n${tenants.join('\n')}\n`)
    expect(problems).toHaveLength(26)
    expect(problems.at(-1)).toBe('… and 75 more')
  })

  test.each([
    ['retri: {}', 'sluice.yaml:2:1 the file has a key here that there is not; did you mean retry?'],
    ['limits: { currancy: USD }', 'sluice.yaml:2:11 limits has a key here that there is not; did you mean currency?'],
    [
      'retry: { first_content_ms: 5 }',
      'sluice.yaml:2:10 retry has a key here that there is not; did you mean firstContentMs?',
    ],
    [
      'cache: { on: true }',
      'sluice.yaml:2:10 cache has a key here that there is not; remove it, or use one of enabled, ',
    ],
    ['retry: { <<: {} }', 'sluice.yaml:2:10 retry has a key here that there is not; remove it'],
  ])('[CONF-30] %s is a problem that says what there is', async (yaml, expected) => {
    expect(await problemsIn(`version: 1\n${yaml}\n`)).toEqual([expect.stringContaining(expected)])
  })
})

describe('the traps of YAML', () => {
  test.each([
    ['a key twice', 'cache: {}\ncache: {}', /^sluice\.yaml:3:1 the file is a key for the second time/],
    ['a key twice, once in quotes', 'limits: { tenants: { 1: {}, "1": {} } }', /:2:29 .*second time/],
    ['a tab', 'cache:\n\tenabled: true', /:3:1 .*tab/],
    ['two documents', 'cache: {}\n---\nversion: 1', /more than one document/],
    ['a tag', 'defaultModel: !!binary aGk=', /:2:\d+ .*tag/],
    ['a tag of another', 'defaultModel: !env KEY', /:2:\d+ .*tag/],
    ['a prototype', 'limits: { tenants: { __proto__: {} } }', /:2:22 .*no key/],
    ['a list as key', '? [a]\n: 1', /:2:3 .*no key/],
    ['an alias of nothing', 'cache: *other', /:2:8 .*anchor/],
    ['a bracket that is open', 'cache: {', /sluice\.yaml:\d+:\d+ the file is no YAML here/],
    ['a second colon', 'defaultModel: a: b', /:2:\d+ .*second `: `/],
    ['an empty section', 'retry:', /:2:7 retry is empty; set a mapping, or remove it/],
    ['a number that has no end', 'retry: { totalMs: .inf }', /retry\.totalMs is not a number/],
  ])('[CONF-31] %s is refused', async (_what, yaml, expected) => {
    expect(await problemsIn(`version: 1\n${yaml}\n`)).toEqual([expect.stringMatching(expected)])
  })

  test.each(['', '# nothing\n', '---\n'])('[CONF-31] a file of nothing (%j) is refused', async (text) => {
    expect(await problemsIn(text)).toEqual([expect.stringMatching(/the file is empty; begin it with `version: 1`/)])
  })

  test('[CONF-31] words that other YAML takes for something else are names, and anchors may be used', async () => {
    const text = `version: 1
limits:
  tenants: { no: &small { subject: { runningTurns: 1 } }, on: *small, 0x10: *small, 1e3: *small, null: *small }
`
    const parsed = parsePolicyText('sluice.yaml', text)
    expect(parsed.kind === 'ok' && Object.keys(parsed.file.limits.tenants)).toEqual(['no', 'on', '0x10', '1e3', 'null'])
  })

  test('[CONF-32] size, depth and number of values are bounded, aliases counted in', async () => {
    const large = `version: 1\n#${'x'.repeat(256 * 1024)}`
    expect(await problemsIn(large)).toEqual(['sluice.yaml is larger than 262144 bytes; shorten it'])
    expect(await problemsIn(`version: 1\ncache: ${'['.repeat(40)}${']'.repeat(40)}`)).toEqual([
      expect.stringMatching(/^sluice.yaml:2:\d+ the file lies more than 32 deep/),
    ])
    expect(await problemsIn(`version: 1\ncache: ${'['.repeat(20_000)}`)).toHaveLength(1)
    expect(await problemsIn('version: 1\ncache: &a [*a]')).toEqual([expect.stringMatching(/more than 32 deep/)])
    const bomb = Array.from({ length: 12 }, (_, level) => {
      const inside = level === 0 ? 'x' : Array.from({ length: 9 }, () => `*a${level - 1}`).join(', ')
      return `a${level}: &a${level} [${inside}]`
    })
    expect(await problemsIn(bomb.join('\n'))).toEqual([
      expect.stringMatching(/has too many values, aliases counted in/),
    ])
  })

  test('[CONF-32] what is no UTF-8 text, or no file, is refused', async () => {
    expect(await problemsIn(Buffer.from([0x61, 0xff]))).toEqual(['sluice.yaml is no UTF-8 text; save it as UTF-8'])
    const dir = await folder()
    await mkdir(path.join(dir, 'sluice.yaml'))
    const opening = await openPolicy(sourcesOf({ SLUICE_CONFIG_FILE: path.join(dir, 'sluice.yaml') }))
    expect(opening).toMatchObject({ problems: [expect.stringMatching(/cannot be read \(EISDIR\)/)] })
    const absent = await openPolicy(sourcesOf({ SLUICE_CONFIG_FILE: path.join(dir, 'none.yaml') }))
    expect(absent).toMatchObject({ problems: [expect.stringMatching(/none\.yaml is not there; make it/)] })
  })
})

describe('what must hold together', () => {
  const two = 'models: { fast: { targets: [{ target: openai-mini }] }, slow: { targets: [{ target: openai-mini }] } }\n'
  const openai = 'targets: { openai-mini: { baseUrl: "https://a.example/v1", model: m, keys: [] } }\n'

  test.each([
    [
      'a target that there is not',
      `defaultModel: fast\n${two.replace('openai-mini', 'opneai-mini')}${openai}`,
      'models.fast.targets[0].target names no target; did you mean openai-mini?',
    ],
    [
      'a target twice',
      one.replace('[{ target: local }]', '[{ target: local }, { target: local }]').replace('version: 1\n', ''),
      'models.fast.targets[1].target names a target for the second time',
    ],
    ['no default among several', two + openai, 'defaultModel is missing'],
    [
      'a default that there is not',
      `defaultModel: fsat\n${two}${openai}`,
      'defaultModel names no model; did you mean fast?',
    ],
    ['a default without models', 'defaultModel: fast', 'defaultModel is there without models'],
    ['models without targets', 'models: { fast: { targets: [{ target: a }] } }', 'models is there without targets'],
    ['targets without models', openai, 'targets is there without models'],
    ['no model', `models: {}\n${openai}`, 'models is empty'],
    [
      'a first content after the end',
      'retry: { totalMs: 5, firstContentMs: 6 }',
      'retry.firstContentMs is longer than totalMs',
    ],
    ['a first wait above the last', 'retry: { baseMs: 6, maxMs: 5 }', 'retry.baseMs is longer than maxMs'],
    ['a currency that there is not', 'limits: { currency: USX }', 'limits.currency is no currency'],
    [
      'an identifier’s name twice',
      'privacy: { custom: [{ name: a, pattern: a }, { name: a, pattern: b }] }',
      'privacy.custom[1].name is taken already',
    ],
    ['a name of ours', 'privacy: { custom: [{ name: email, pattern: a }] }', 'privacy.custom[0].name is taken already'],
    [
      'a moderation that is no URL',
      'privacy: { filter: { moderation: { url: "ftp://x" } } }',
      'privacy.filter.moderation.url is no URL',
    ],
  ])('[CONF-34] %s is a problem', async (_what, yaml, expected) => {
    expect(await problemsIn(`version: 1\n${yaml}`)).toEqual([expect.stringContaining(expected)])
  })

  test('[CONF-34] what may be meant so is a warning', async () => {
    const yaml = `${one.replace('targets: { local:', 'targets: { spare: { baseUrl: "http://10.0.0.1/v1", model: m, keys: [{ env: KEY }] }, local:')}`
    expect(await warningsIn(yaml, { KEY: 'k', OPENAI_API_KEY: 'k' })).toEqual([
      'sluice.yaml:3:19 targets.spare is used by no model',
      'sluice.yaml:3:30 targets.spare.baseUrl is plain http, so that the key can be read on the way',
      'sluice.yaml:3:10 targets makes OPENAI_API_KEY, which is set, of no use: no target names it',
    ])
    expect(await warningsIn(one)).toEqual([])
  })

  test('[CONF-35] a target says its keys, unless it is on loopback', async () => {
    expect(await problemsIn(one.replace('localhost', '10.0.0.1'))).toEqual([
      expect.stringMatching(/targets\.local\.keys is missing; add a key, or `keys: \[\]`/),
    ])
    expect(await problemsIn(one.replace('model: m', 'model: m, keys: []').replace('localhost', '10.0.0.1'))).toEqual([])
    expect(await problemsIn(one.replace('http://localhost:1/v1', 'localhost:1'))).toEqual([
      expect.stringMatching(/targets\.local\.baseUrl is no URL/),
    ])
  })

  const keyed = (key: string) => one.replace('model: m', `model: m, keys: [${key}]`)

  test.each([
    ['{ env: KEY }', { KEY: '' }, 'keys[0].env names a variable that is not set'],
    ['{ env: KEY }', { KEY: 'two words' }, 'keys[0].env names a variable with blanks'],
    ['{ env: sk-pasted }', {}, 'keys[0].env is no name of a variable; set the name, never the key itself'],
    ['{ file: none }', {}, 'keys[0].file names a file that is not there'],
    ['{ file: . }', {}, 'keys[0].file names a file that cannot be read (EISDIR)'],
    ['{}', {}, 'keys[0] is no reference'],
    ['sk-pasted', {}, 'keys[0] is not a mapping'],
  ])('[CONF-35] the key %s with %o is a problem', async (key, environment, expected) => {
    const problems = await problemsIn(keyed(key), environment)
    expect(problems).toEqual([expect.stringContaining(expected)])
    expect(problems.join()).not.toContain('pasted')
  })

  test('[CONF-35] files are looked for beside the configuration, and an empty one is a problem', async () => {
    const dir = await folder()
    const file = path.join(dir, 'sluice.yaml')
    await writeFile(file, `${keyed('{ file: key }')}privacy: { filter: { words: [one], wordsFile: words.txt } }\n`)
    await writeFile(path.join(dir, 'words.txt'), '# words\ntwo words\n\n one \n')
    await writeFile(path.join(dir, 'key'), '\n')
    const open = () => openPolicy(sourcesOf({ SLUICE_CONFIG_FILE: file }))
    expect(await open()).toMatchObject({ problems: [expect.stringMatching(/file names a file that is empty/)] })
    await writeFile(path.join(dir, 'key'), 'sk-key\n')
    const opening = await open()
    const policy = opening.kind === 'ok' ? opening.live.current() : undefined
    expect(policy?.targets.get('local')?.keys[0]?.reveal()).toBe('sk-key')
    expect(policy?.privacy.everybody.filter.words).toEqual(['one', 'two words'])
  })

  test('[CONF-37] a budget wants the price of every target, also of the environment’s', async () => {
    const budget = 'limits: { tenants: { acme: { project: { perMonth: "5" } } } }\n'
    expect(await problemsIn(one + budget)).toEqual([
      expect.stringMatching(/targets\.local has no price, and there is a budget/),
    ])
    expect(await problemsIn(one.replace('model: m', 'model: m, price: { input: "0", output: "0" }') + budget)).toEqual(
      [],
    )
    expect(await problemsIn(`version: 1\n${budget}`)).toEqual([
      expect.stringMatching(/limits\.tenants\.acme\.project\.perMonth is a budget, but the target of the environment/),
    ])
    expect(await problemsIn(`version: 1\n${budget.replace('"5"', '"0.00"')}`)).toEqual([])
  })
})

describe('whatever is in the file', () => {
  const secret = 'sk-proj-4f7Qm2Zx9Lr8Tb3Vn6Wc1Yd5Hs0Kj2Pg'
  const base = `version: 1
defaultModel: fast
models:
  fast: { targets: [{ target: local, weight: 3 }], offline: "later" }
targets:
  local:
    baseUrl: ${secret}
    model: ${secret}
    keys: [{ env: KEY }, { env: ${secret} }, { file: ${secret} }, ${secret}]
    price: { input: "${secret}", output: ${secret} }
limits: { currency: ${secret}, subject: { perDay: '${secret}', runningTurns: ${secret} } }
privacy: { redact: [${secret}], custom: [{ name: ${secret}, pattern: "(${secret}" }], tenants: { acme: ${secret} } }
cache: { enabled: ${secret} }
${secret}: 1
`
  const edits = fc.array(
    fc.record({
      at: fc.nat(base.length),
      remove: fc.nat(40),
      add: fc.oneof(
        fc.constantFrom(
          secret,
          `${secret}:`,
          `*${secret}`,
          `&${secret} `,
          `!${secret} `,
          `"${secret}`,
          '\n  ',
          '{',
          ']',
          ': ',
          '- ',
          '"',
          '\t',
          '|',
          '\\',
        ),
        fc.string({ maxLength: 8 }),
      ),
    }),
    { maxLength: 6 },
  )

  test('[CONF-39] reading never throws, and no problem has the text of a secret', async () => {
    const dir = await folder()
    const file = path.join(dir, 'sluice.yaml')
    let refused = 0
    const judged = async (text: string) => {
      await writeFile(file, text)
      const opening = await openPolicy(sourcesOf({ SLUICE_CONFIG_FILE: file, KEY: `${secret} ${secret}` }))
      if (opening.kind === 'ok') return
      refused += 1
      expect(opening.problems.length).toBeGreaterThan(0)
      expect(opening.problems.join('\n')).not.toContain(secret)
    }
    await judged(base)
    const edited = edits.map((list) =>
      list.reduce((text, { at, remove, add }) => text.slice(0, at) + add + text.slice(at + remove), base),
    )
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 4, arbitrary: edited }, fc.string({ unit: 'binary' })), judged),
      {
        numRuns: 120,
      },
    )
    expect(refused).toBeGreaterThan(90)
  }, 60_000)
})
