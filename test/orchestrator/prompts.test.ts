import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { TurnFlags } from '../../orchestrator/flags.ts'
import { loadPrompts } from '../../orchestrator/prompts/load-prompts.ts'
import { defaultPrompt, type PromptRequest, type Prompts } from '../../orchestrator/prompts/prompts.ts'
import { compileTemplate, type PromptValues } from '../../orchestrator/prompts/template.ts'
import { watchPrompts } from '../../orchestrator/prompts/watch-prompts.ts'
import { folderOf, promptOf, put } from './prompts-folder.ts'

const nowMs = Date.UTC(2026, 0, 2, 23, 59)
type Experiments = Pick<TurnFlags, 'experiment'>
const off: Experiments = { experiment: () => false }
const on: Experiments = { experiment: () => true }

function choose(prompts: Prompts, more: Partial<PromptRequest> = {}, flags = off) {
  const request = { tenant: 'acme', subject: 'ada', session: 'session', model: 'm', nowMs, ...more }
  const choice = prompts.choose(request, flags)
  if (choice.kind === 'unknown') throw new Error('there is no such prompt')
  return choice
}

/** `name@version` of what is chosen. */
function chosen(prompts: Prompts, more: Partial<PromptRequest> = {}, flags = off): string {
  const { name, version } = choose(prompts, more, flags).chosen
  return `${name}@${version}`
}

const values: PromptValues = { date: '2026-01-02', model: 'm', tenant: 'acme' }

describe('a template', () => {
  it('[PROMPT-9] fills in its variables by name, and what a session does not have is empty and false', () => {
    const { render } = compileTemplate(
      'On {{date}} as {{ model }}, $& {% if channel %}by {{ channel }}{% else %}nohow{% endif %}.\n',
    )
    expect(render({ ...values, model: '$1 {{date}}' })).toBe('On 2026-01-02 as $1 {{date}}, $& nohow.')
    expect(render({ ...values, channel: 'phone' })).toBe('On 2026-01-02 as m, $& by phone.')
  })

  it.each([
    ['an unknown variable', 'Hello {{ name }}', /unknown variable \{\{ name \}\}; there are date, model/],
    [
      'one in a branch that no value leads to',
      '{% if channel == "x" %}{{ nam }}{% endif %}',
      /unknown variable \{\{ nam \}\}/,
    ],
    ['a property', '{% if channel == "x" %}{{ model.length }}{% endif %}', /unknown variable \{\{ model.length \}\}/],
    ["the subject, which is nobody's business at a provider", '{{ subject }}', /unknown variable/],
    ['an unknown filter', '{{ date | shout }}', /undefined filter: shout/],
    ['an unknown tag', '{% shout %}', /tag "shout" not found/],
    ['a file', '{% include "/etc/passwd" %}', /Failed to lookup/],
    ['a file by the name in a variable', '{% render date %}', /./],
    ['a brace too few', 'Hello {{ date', /not closed/],
  ])('[PROMPT-9] %s stops the start', (_, text, expected) => {
    expect(() => loadPrompts(folderOf({ 'default.md': text }))).toThrow(expected)
    expect(() => loadPrompts(folderOf({ 'default.md': text }))).toThrow('default.md')
  })

  it.each([
    ['a loop', '{% for i in (1..100000000) %}x{% endfor %}'],
    ['a loop of nothing', '{% for i in (1..100000000) %}{% endfor %}'],
    ['a text that doubles', `{% assign a = "xxxxxxxx" %}${'{% assign a = a | append: a %}'.repeat(40)}`],
    ['a long text', 'x'.repeat(300_000)],
  ])('[PROMPT-18] %s over its bound stops the start', (_, text) => {
    expect(() => compileTemplate(text)).toThrow(/limit exceeded/)
  })

  it('[PROMPT-17] says how much of it is the same for everybody', () => {
    const text = 'Be kind. {% if channel == "phone" %}Be short.{% endif %} Today is {{date}}.'
    const { staticLength, render } = compileTemplate(text)
    expect(text.slice(0, staticLength)).toBe('Be kind. ')
    expect(render({ ...values, channel: 'phone' }).slice(0, staticLength)).toBe('Be kind. ')
    expect(compileTemplate('No variable {at} all.').staticLength).toBe(21)
  })
})

describe('a folder of prompts', () => {
  it('[PROMPT-9] stops the start without a default', () => {
    expect(() => loadPrompts(folderOf({ 'other.md': 'Hello' }))).toThrow('has no default/prompt.yaml and no default.md')
    expect(() => loadPrompts('/nowhere')).toThrow('set SLUICE_PROMPTS_DIR')
  })

  it('[PROMPT-9] the one that is delivered can be loaded, and has nothing to warn of', () => {
    const prompts = loadPrompts(new URL('../../prompts', import.meta.url).pathname)
    expect(choose(prompts).system).toContain('2026-01-02')
    expect(prompts.warnings).toEqual([])
  })

  it('[PROMPT-10] a version that was edited stops the start, and says to make a new one', () => {
    const folder = folderOf(promptOf('default', ['Be kind.']))
    writeFileSync(join(folder, 'default/v1.md'), 'Be kind!')
    expect(() => loadPrompts(folder)).toThrow(/default\/v1\.md: it was edited .* make a new version/)
  })

  it('[PROMPT-10] a version that is not listed stops the start, and says what to list', () => {
    const folder = folderOf({ ...promptOf('default', ['Be kind.']), 'default/v2.md': 'Be short.' })
    expect(() => loadPrompts(folder)).toThrow(/v2\.md.* does not list it; add `- \{ version: 2, sha256: [0-9a-f]{64},/)
  })

  it('[PROMPT-11] a label points at a version, and production is what is asked with', () => {
    const files = promptOf('default', ['One.', 'Two.'], { labels: { production: 2, staging: 1 } })
    expect(choose(loadPrompts(folderOf(files)))).toEqual({
      kind: 'ok',
      system: 'Two.',
      chosen: { name: 'default', version: 2 },
    })
  })

  const variants = { a: { version: 1, weight: 1 } }
  it.each([
    ['no production', { labels: { staging: 1 } }, [], 'there is no label production'],
    ['a label at no version', { labels: { production: 7 } }, [], 'label production points at version 7'],
    [
      'an experiment with no such label',
      { experiments: { e: { flag: 'f', variants: { a: { label: 'beta', weight: 1 } } } } },
      [],
      'experiment e, variant a: there is no label beta',
    ],
    [
      'an experiment with no such version',
      { experiments: { e: { flag: 'f', variants: { a: { version: 3, weight: 1 } } } } },
      [],
      'there is no version 3',
    ],
    [
      'an experiment without weight',
      { experiments: { e: { flag: 'f', variants: { a: { version: 1, weight: 0 } } } } },
      [],
      'no variant has a weight',
    ],
    ['an experiment without a flag', { experiments: { e: { variants } } }, [], 'experiments.e.flag'],
    ['a misspelt field', { lables: {} }, [], 'lables'],
    ['an assignment of no such prompt', {}, [{ prompt: 'none' }], 'there is no prompt none'],
    ['an assignment of no such label', {}, [{ prompt: 'default', label: 'beta' }], 'prompt default has no label beta'],
    [
      'two rules for the same',
      {},
      [
        { prompt: 'default', user: 'a' },
        { prompt: 'default', user: 'a' },
      ],
      'two rules for user a',
    ],
    ['a rule for a misspelt name', {}, [{ prompt: 'default', chanel: 'a' }], 'chanel'],
  ])('[PROMPT-11] %s stops the start', (_, more, rules, expected) => {
    const files = { ...promptOf('default', ['One.'], more), 'assignments.yaml': stringify(rules) }
    expect(() => loadPrompts(folderOf(files))).toThrow(expected)
  })

  it('[PROMPT-17] warns of a labelled version whose first variable stands in its first half', () => {
    const texts = [
      '{{date}} is today, and you are kind to everybody.',
      'You are kind to everybody, and today is {{date}}.',
    ]
    expect(loadPrompts(folderOf(promptOf('default', texts))).warnings).toEqual([expect.stringContaining('version 1')])
    const second = promptOf('default', texts, { labels: { production: 2 } })
    expect(loadPrompts(folderOf(second)).warnings).toEqual([])
  })
})

describe('which prompt', () => {
  const rules = [
    { prompt: 'tenant', tenant: 'acme' },
    { prompt: 'project', project: 'help' },
    { prompt: 'channel', channel: 'phone' },
    { prompt: 'user', user: 'eve' },
    { prompt: 'user', user: 'eve', tenant: 'other', label: 'staging' },
  ]
  const names = ['tenant', 'project', 'channel', 'user']
  const prompts = loadPrompts(
    folderOf({
      ...promptOf('default', ['For all.']),
      ...Object.assign(
        {},
        ...names.map((name) => promptOf(name, ['One.', 'Two.'], { labels: { production: 1, staging: 2 } })),
      ),
      'assignments.yaml': stringify(rules),
    }),
  )

  it('[PROMPT-12] user goes before channel, channel before project, project before tenant, tenant before default', () => {
    const all = { tenant: 'acme', subject: 'eve', channel: 'phone', project: 'help' }
    expect(chosen(prompts, all)).toBe('user@1')
    expect(chosen(prompts, { ...all, subject: 'ada' })).toBe('channel@1')
    expect(chosen(prompts, { ...all, subject: 'ada', channel: 'web' })).toBe('project@1')
    expect(chosen(prompts, { tenant: 'acme' })).toBe('tenant@1')
    expect(chosen(prompts, { tenant: 'nobody' })).toBe(`${defaultPrompt}@1`)
  })

  it('[PROMPT-12] of two rules for a user the one that also names the tenant counts, and its label', () => {
    expect(chosen(prompts, { tenant: 'other', subject: 'eve' })).toBe('user@2')
  })

  it("[PROMPT-13] a session's own prompt goes before what is assigned, and one that is not there is none", () => {
    expect(chosen(prompts, { subject: 'eve', named: 'project' })).toBe('project@1')
    const request = { tenant: 'acme', subject: 'eve', session: 's', model: 'm', nowMs, named: 'none' }
    expect(prompts.choose(request, off)).toEqual({ kind: 'unknown' })
    expect([prompts.has('none'), prompts.has('project')]).toEqual([false, true])
  })
})

describe('an experiment', () => {
  const experiments = {
    tone: {
      flag: 'prompt-tone',
      variants: { old: { label: 'production', weight: 30 }, new: { version: 2, weight: 70 } },
    },
    phone: { flag: 'prompt-phone', channels: ['phone'], variants: { only: { version: 3, weight: 1 } } },
  }
  const labels = { production: 1, staging: 3 }
  const prompts = loadPrompts(
    folderOf({
      ...promptOf('default', ['One.', 'Two.', 'Three.'], { experiments, labels }),
      'assignments.yaml': stringify([{ prompt: 'default', user: 'tester', label: 'staging' }]),
    }),
  )
  const sessions = Array.from({ length: 2_000 }, (_, index) => `session-${index}`)

  it('[PROMPT-14] gives each variant about its share of the sessions, and a session always the same', () => {
    const sides = sessions.map((session) => choose(prompts, { session }, on).chosen)
    const share = sides.filter(({ variant }) => variant === 'new').length / sides.length
    expect(share).toBeGreaterThan(0.65)
    expect(share).toBeLessThan(0.75)
    expect(sessions.map((session) => choose(prompts, { session }, on).chosen)).toEqual(sides)
    // Another node, another day, another release: what a session was given is written down here.
    expect(sides.slice(0, 8).map(({ variant }) => variant)).toEqual([
      'new',
      'old',
      'old',
      'old',
      'new',
      'old',
      'new',
      'old',
    ])
  })

  it('[PROMPT-14] says its name and variant with the version', () => {
    const session = sessions.find((one) => choose(prompts, { session: one }, on).chosen.variant === 'new') ?? ''
    expect(choose(prompts, { session }, on)).toEqual({
      kind: 'ok',
      system: 'Two.',
      chosen: { name: 'default', version: 2, experiment: 'tone', variant: 'new' },
    })
  })

  it('[PROMPT-14] is off without its flag, and then everybody gets production', () => {
    expect(new Set(sessions.map((session) => chosen(prompts, { session }, off)))).toEqual(new Set(['default@1']))
    const asked: string[] = []
    const phoneOnly = { experiment: (flag: string) => asked.push(flag) > 0 && flag === 'prompt-phone' }
    expect(chosen(prompts, { channel: 'phone' }, phoneOnly)).toBe('default@3')
    expect(asked).toEqual(['prompt-tone', 'prompt-phone'])
  })

  it('[PROMPT-14] takes only sessions of its channels, and nobody who is assigned another label', () => {
    const phoneOnly = { experiment: (flag: string) => flag === 'prompt-phone' }
    expect(chosen(prompts, { channel: 'web' }, phoneOnly)).toBe('default@1')
    expect(chosen(prompts, {}, phoneOnly)).toBe('default@1')
    expect(choose(prompts, { subject: 'tester' }, on).chosen).toEqual({ name: 'default', version: 3 })
  })
})

describe('prompts that change while the gateway runs', () => {
  function watched(folder: string) {
    const said: string[] = []
    let look: () => void = () => undefined
    let isClosed = false
    const trigger = (run: () => void) => {
      look = run
      return () => {
        isClosed = true
      }
    }
    const prompts = watchPrompts(folder, trigger, {
      changed: () => void said.push('changed'),
      refused: (reason) => void said.push(reason),
    })
    return { prompts, said, look: () => look(), isClosed: () => isClosed }
  }

  it('[PROMPT-15] count from the next turn on, and a look that finds nothing new says nothing', () => {
    const folder = folderOf(promptOf('default', ['One.', 'Two.']))
    const { prompts, said, look, isClosed } = watched(folder)
    const before = choose(prompts)
    look()
    expect(said).toEqual([])
    for (const [path, text] of Object.entries(promptOf('default', ['One.', 'Two.'], { labels: { production: 2 } })))
      put(folder, path, text)
    look()
    expect([before.system, choose(prompts).system, said]).toEqual(['One.', 'Two.', ['changed']])
    prompts.close()
    expect(isClosed()).toBe(true)
  })

  it('[PROMPT-15] with a mistake they stay as they were, whole, and it is said once', () => {
    const folder = folderOf({ ...promptOf('default', ['One.']), ...promptOf('brief', ['Brief.']) })
    const { prompts, said, look } = watched(folder)
    put(folder, 'new.md', 'A new one, that is well.')
    put(folder, 'brief/prompt.yaml', 'versions: []')
    look()
    look()
    expect(said).toEqual([expect.stringContaining('brief/prompt.yaml')])
    expect([prompts.has('new'), chosen(prompts, { named: 'brief' })]).toEqual([false, 'brief@1'])
    for (const [path, text] of Object.entries(promptOf('brief', ['Brief.']))) put(folder, path, text)
    look()
    expect([prompts.has('new'), said.length, said[1]]).toEqual([true, 2, 'changed'])
  })

  it('[PROMPT-10] a version whose hash was edited along with its text is not taken', () => {
    const folder = folderOf(promptOf('default', ['One.']))
    const { prompts, said, look } = watched(folder)
    for (const [path, text] of Object.entries(promptOf('default', ['Other.']))) put(folder, path, text)
    look()
    expect(said).toEqual([expect.stringContaining('version 1 of default is another text than before')])
    expect(choose(prompts).system).toBe('One.')
  })
})
