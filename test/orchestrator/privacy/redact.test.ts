import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { StringDecoder } from 'node:string_decoder'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { TenantPrivacy } from '../../../orchestrator/policy.ts'
import type { ProviderMessage } from '../../../orchestrator/ports.ts'
import { placeholderInvisibleUnits } from '../../../orchestrator/privacy/limits.ts'
import { nameValues, placeholderLike } from '../../../orchestrator/privacy/placeholders.ts'
import { createRedactor, type Redactor } from '../../../orchestrator/privacy/redact.ts'
import { identity } from '../../../orchestrator/privacy/restore.ts'
import { allKinds, negatives, positives } from './corpus.ts'

const secret = new Uint8Array(32).fill(7)
const all: TenantPrivacy = { redact: allKinds, custom: [], filter: { words: [] } }
const redactor = createRedactor(all, secret)

const user = (content: string): ProviderMessage => ({ role: 'user', content })

async function redacted(by: Redactor, session: string, messages: readonly ProviderMessage[]) {
  const redaction = await by.redact(session, messages)
  if (redaction.kind !== 'ok') throw new Error(redaction.refusal.message)
  return { ...redaction, text: redaction.messages.map(({ content }) => content).join('\n') }
}

describe('what a provider sees', () => {
  it('[PRIVACY-4] no identifier of the corpus, alone or all together', async () => {
    const one = await redacted(
      redactor,
      's',
      positives.map(({ text }) => user(text)),
    )
    for (const { values } of positives) for (const value of values) expect(one.text).not.toContain(value)
    expect(one.restorer.push(one.text) + one.restorer.end()).toBe(positives.map(({ text }) => text).join('\n'))
    const count = [...one.counts.values()].reduce((sum, each) => sum + each, 0)
    expect(count).toBe(positives.flatMap(({ values }) => values).length)
    expect([...one.counts.keys()].toSorted()).toEqual(allKinds.toSorted())
  })

  it('[PRIVACY-5] the MT-bench prompts as they are: nothing in them is an identifier', async () => {
    const file = join(import.meta.dirname, 'fixtures', 'mt-bench-questions.jsonl')
    const prompts = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).turns)
    expect(prompts).toHaveLength(80)
    for (const turns of prompts) {
      const messages: ProviderMessage[] = turns.map((turn: string) => user(turn))
      const redaction = await redacted(redactor, 's', messages)
      expect(redaction.messages).toEqual(messages)
      expect(redaction.restorer).toBe(identity)
      expect(redaction.counts.size).toBe(0)
    }
  })

  it('[PRIVACY-5] texts without identifiers as they are, and the operator’s system prompt always', async () => {
    const messages = negatives.map(user)
    expect((await redacted(redactor, 's', messages)).messages).toEqual(messages)
    const system: ProviderMessage = { role: 'system', content: 'Send complaints to support@example.com.' }
    const mixed = await redacted(redactor, 's', [system, user('I am anna@example.com')])
    expect(mixed.messages[0]).toBe(system)
    expect(mixed.messages[1]?.content).not.toContain('anna')
  })

  it('[PRIVACY-5] everything, when nothing is to be redacted', async () => {
    const off = createRedactor({ ...all, redact: [] }, secret)
    const messages = [user('anna@example.com')]
    const redaction = await redacted(off, 's', messages)
    expect(redaction.messages).toBe(messages)
    expect(redaction.restorer).toBe(identity)
  })

  it('[PRIVACY-4] only the kinds that are chosen', async () => {
    const emails = createRedactor({ ...all, redact: ['email'] }, secret)
    const { text } = await redacted(emails, 's', [user('anna@example.com, 192.0.2.1')])
    expect(text).toMatch(/^QEMAIL\w{8}, 192\.0\.2\.1$/)
  })
})

describe('placeholders', () => {
  it('[PRIVACY-6] are the same for a value within a session, in every role, turn and node', async () => {
    const first = await redacted(redactor, 's', [user('to anna@example.com')])
    const otherNode = createRedactor({ ...all }, Uint8Array.from(secret))
    const later = await redacted(otherNode, 's', [
      user('to bob@example.com'),
      { role: 'assistant', content: 'Not to anna@example.com?' },
      user('to anna@example.com'),
    ])
    const name = first.text.slice('to '.length)
    expect(later.messages[1]?.content).toBe(`Not to ${name}?`)
    expect(later.messages[2]?.content).toBe(`to ${name}`)
    expect(later.messages[0]?.content).not.toContain(name)
  })

  it('[PRIVACY-6] are others in another session and with another secret', async () => {
    const texts = [
      (await redacted(redactor, 's', [user('anna@example.com')])).text,
      (await redacted(redactor, 't', [user('anna@example.com')])).text,
      (await redacted(createRedactor(all, new Uint8Array(32)), 's', [user('anna@example.com')])).text,
    ]
    expect(new Set(texts).size).toBe(3)
  })

  it('[PRIVACY-7] each spelling comes back as it was written', async () => {
    const written = '+49 30 1234567 is +49 (0)30 1234567 is 030 1234567'
    const { text, restorer } = await redacted(redactor, 's', [user(written)])
    expect(text).toMatch(/^QPHONE\w{8} is QPHONE\w{8} is QPHONE\w{8}$/)
    expect(restorer.push(text) + restorer.end()).toBe(written)
  })

  it('[PRIVACY-8] leave what the user wrote in their form as it is', async () => {
    const { text: name } = await redacted(redactor, 's', [user('anna@example.com')])
    const written = `${name} and ${name.toLowerCase()} are not anna@example.com`
    const { text, restorer } = await redacted(redactor, 's', [user(written)])
    expect(text.match(placeholderLike)).toHaveLength(3)
    expect(text).not.toContain('anna')
    expect(restorer.push(text) + restorer.end()).toBe(written)
  })

  it('[PRIVACY-8] of another session reveal nothing', async () => {
    const { text: theirs } = await redacted(redactor, 'theirs', [user('anna@example.com')])
    const { text, restorer } = await redacted(redactor, 'mine', [user(`bob@example.com, what is ${theirs}?`)])
    expect(restorer.push(`${text} ${theirs}`) + restorer.end()).toBe(`bob@example.com, what is ${theirs}? ${theirs}`)
  })

  it('[PRIVACY-8] all differ, and go out of the way of what was said', async () => {
    const values = Array.from({ length: 2_000 }, (_, n) => ({ label: 'EMAIL', text: `u${n}@example.com` }))
    const names = await nameValues(secret, 's', values, new Set())
    expect(new Set(names.values()).size).toBe(values.length)
    const taken = new Set([...names.values()].slice(0, 1_000))
    const others = await nameValues(secret, 's', values, taken)
    expect(new Set(others.values()).size).toBe(values.length)
    expect([...others.values()].filter((name) => taken.has(name))).toEqual([])
    const moved = [...names].filter(([key, name]) => others.get(key) !== name)
    expect(moved).toHaveLength(1_000)
  })

  it('[PRIVACY-6] of an operator’s pattern bear its name, where it has letters for that', async () => {
    const custom = [
      { name: 'quirk 7', pattern: /QQ-\d+/u },
      { name: '員工', pattern: /E\d{5}/u },
    ]
    const own = createRedactor({ ...all, custom }, secret)
    const { text, restorer, counts } = await redacted(own, 's', [user('QQ-77 is E12345')])
    expect(text).toMatch(/^QUIRK\w{8} is QCUSTOM\w{8}$/)
    expect(counts).toEqual(new Map([['custom', 2]]))
    expect(restorer.push(text) + restorer.end()).toBe('QQ-77 is E12345')
  })

  it('[PRIVACY-9] a pattern that takes too long refuses the turn', async () => {
    const custom = [{ name: 'slow', pattern: /(a+)+$/u }]
    const own = createRedactor({ ...all, custom }, secret)
    const redaction = await own.redact('s', [user(`${'a'.repeat(100)}!`)])
    expect(redaction).toMatchObject({ kind: 'refused', refusal: { kind: 'internal' } })
    expect((await own.redact('s', [user('fine: aaa')])).kind).toBe('ok')
  })
})

describe('an answer', () => {
  it('[PRIVACY-10] comes back restored however it is split, at every unit and every byte', async () => {
    for (const { text } of positives) {
      const { text: seen, restorer } = await redacted(redactor, 's', [user(text)])
      const bytes = Buffer.from(seen)
      for (let at = 0; at <= bytes.length; at++) {
        const decoder = new StringDecoder('utf8')
        const pieces = [decoder.write(bytes.subarray(0, at)), decoder.write(bytes.subarray(at)), decoder.end()]
        expect(pieces.map((piece) => restorer.push(piece)).join('') + restorer.end()).toBe(text)
      }
      const units = Array.from({ length: seen.length }, (_, index) => seen.charAt(index))
      expect(units.map((unit) => restorer.push(unit)).join('') + restorer.end()).toBe(text)
    }
  })

  it('[PRIVACY-10] holds back less than a placeholder, and nothing that cannot be one', async () => {
    const { text: name, restorer } = await redacted(redactor, 's', [user('anna@example.com')])
    expect(restorer.push('to Q')).toBe('to ')
    expect(restorer.push('atar')).toBe('Qatar')
    for (let at = 1; at < name.length; at++) {
      expect(restorer.push(name.slice(0, at))).toBe('')
      expect(restorer.push('!')).toBe(`${name.slice(0, at)}!`)
    }
    expect(restorer.push(name.slice(0, -1))).toBe('')
    expect(restorer.end()).toBe(name.slice(0, -1))
  })

  it('[PRIVACY-11] may change the case of placeholders, and put them into links, code and words', async () => {
    const { text: name, restorer } = await redacted(redactor, 's', [user('anna@example.com')])
    const answer = (word: string) => `[${word}](mailto:${word}) "${word}": {${word}} ${word}s \`${word}\` q${word}`
    const whole = answer(name.toLowerCase()) + answer(`${name.slice(0, 4)}${name.slice(4).toLowerCase()}`)
    expect(restorer.push(whole) + restorer.end()).toBe(answer('anna@example.com').repeat(2))
  })

  it('[PRIVACY-204] may have invisible characters inside a placeholder, split anywhere', async () => {
    const { text: name, restorer } = await redacted(redactor, 's', [user('anna@example.com')])
    for (const inserted of ['\u200b', '\u00ad', '\u2060\ufeff', '\u{e0061}']) {
      const written = `to ${[...name].join(inserted)}\u200b, or ${name.slice(0, 5)}${inserted}${name.slice(5)}`
      for (let at = 0; at <= written.length; at++) {
        if (/[\ud800-\udbff]/.test(written.charAt(at - 1))) continue
        const answer = restorer.push(written.slice(0, at)) + restorer.push(written.slice(at)) + restorer.end()
        expect(answer).toBe('to anna@example.com\u200b, or anna@example.com')
      }
    }
  })

  it('[PRIVACY-204] holds back a bounded number of them', async () => {
    const { text: name, restorer } = await redacted(redactor, 's', [user('anna@example.com')])
    const written = `${name.slice(0, 5)}${'\u200b'.repeat(10_000)}${name.slice(5)}`
    let out = ''
    let held = 0
    for (const [count, unit] of Array.from(written).entries()) {
      out += restorer.push(unit)
      held = Math.max(held, count + 1 - out.length)
    }
    expect(held).toBeLessThan(name.length + placeholderInvisibleUnits)
    expect(out + restorer.end()).toBe(written)
  })

  it('[PRIVACY-204] leaves a placeholder that the user wrote with invisible characters inside', async () => {
    const { text: name } = await redacted(redactor, 's', [user('anna@example.com')])
    const written = `anna@example.com is not ${name.slice(0, 6)}\u200b${name.slice(6)}`
    const { text, restorer } = await redacted(redactor, 's', [user(written)])
    expect(restorer.push(text) + restorer.end()).toBe(written)
  })

  it('[PRIVACY-8] [PRIVACY-10] any text with identifiers and lookalikes is the same after the way out and back', async () => {
    const { text: name } = await redacted(redactor, 's', [user('anna@example.com')])
    const parts = fc.constantFrom(
      ...[
        'anna@example.com',
        '+49 30 1234567',
        '192.0.2.1',
        name,
        name.toLowerCase(),
        name.slice(0, 9),
        'QEMAIL2',
        'Q',
        'q',
      ],
      ...[' ', '\n', ', ', '谢谢', '😀', 'ſ', 'QPHONE22222222', 'e', '7', 'DE89370400440532013000'],
    )
    const texts = fc.array(parts, { maxLength: 12 }).map((some) => some.join(''))
    await fc.assert(
      fc.asyncProperty(fc.array(texts, { minLength: 1, maxLength: 3 }), fc.array(fc.nat(40)), async (written, cuts) => {
        const { text, restorer } = await redacted(redactor, 's', written.map(user))
        let answer = ''
        let from = 0
        for (const cut of cuts) {
          answer += restorer.push(text.slice(from, from + cut))
          from += cut
        }
        expect(answer + restorer.push(text.slice(from)) + restorer.end()).toBe(written.join('\n'))
      }),
    )
  })
})
