/** Which regular expressions of an operator are run over messages. */
import { describe, expect, test } from 'vitest'
import { readPattern } from '../../../../gateway/config/policy/pattern.ts'
import { problemsIn } from './files.ts'

const wordsOf = (source: string) => {
  const read = readPattern(source)
  return read.kind === 'wrong' ? read.words : 'accepted'
}

describe('patterns', () => {
  test.each([
    ['EMP-\\d{6}', 'x EMP-123456', 'EMP-123456'],
    ['(?<!\\d)\\d{2,12}(?!\\d)', 'a 12 b', '12'],
    ['\\b[A-Z]{2}(?:-\\d{3}){1,3}\\b', 'DE-123-456', 'DE-123-456'],
    ['(?:cat|dog|bird){1,2}', 'dogcat', 'dogcat'],
    ['[\\w.\\]]{1,64}@corp\\.example', 'me@corp.example', 'me@corp.example'],
    ['(?i:emp)\\p{Lu}\\u{41}\\x41\\u0041', 'EmPÄAAA', 'EmPÄAAA'],
    ['(?<id>a|b)[()|*+{}]?c\\(', 'a|c(', 'a|c('],
    ['x{3}?y', 'xxxy', 'xxxy'],
  ])('[CONF-36] %s is accepted, and finds what it should', (source, text, found) => {
    const read = readPattern(source)
    expect(read).toMatchObject({ kind: 'ok' })
    expect(read.kind === 'ok' && text.match(read.pattern)).toEqual([found])
  })

  test.each([
    ['(', 'is no regular expression'],
    ['a{2', 'is no regular expression'],
    ['a+', 'has no longest match; set a bound, like {1,40}'],
    ['a*b', 'has no longest match'],
    ['a{3,}', 'has no longest match'],
    ['(?=a+)b', 'has no longest match'],
    ['(?:){0,}a', 'has no longest match'],
    ['a{600}', 'can match more than 512 characters'],
    ['(?:a{30}){30}', 'can match more than 512 characters'],
    ['a?', 'matches nothing at all too'],
    ['(?=a)', 'matches nothing at all too'],
    ['a|', 'matches nothing at all too'],
    ['(a)\\1', 'refers back to a group'],
    ['(?<n>a)\\k<n>', 'refers back to a group'],
    ['(?:a{1,8}){1,8}b', 'can match one text in more than 512 ways'],
    ['(?:a|a){1,20}b', 'can match one text in more than 512 ways'],
    ['a{0,40}a{0,40}b', 'can match one text in more than 512 ways'],
    ['(?:a?){20}b', 'can match one text in more than 512 ways'],
  ])('[CONF-36] %s is refused', (source, words) => {
    expect(wordsOf(source)).toContain(words)
  })

  test('[CONF-36] a refused one is a problem of the file, without the pattern', async () => {
    const yaml = "version: 1\nprivacy: { tenants: { acme: { custom: [{ name: a, pattern: '(secret+)+' }] } } }\n"
    const problems = await problemsIn(yaml)
    expect(problems).toEqual([
      expect.stringMatching(/^sluice.yaml:2:\d+ privacy\.tenants\.acme\.custom\[0\]\.pattern has no/),
    ])
    expect(problems.join()).not.toContain('secret')
    const long = 'a'.repeat(501)
    expect(await problemsIn(yaml.replace('(secret+)+', long))).toEqual([expect.stringMatching(/pattern is too long/)])
  })
})
