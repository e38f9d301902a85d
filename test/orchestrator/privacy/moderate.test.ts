import { describe, expect, it } from 'vitest'
import type { TenantPrivacy } from '../../../orchestrator/policy.ts'
import type { Clock, ProviderMessage } from '../../../orchestrator/ports.ts'
import type { AnswerSink } from '../../../orchestrator/privacy/answer-filter.ts'
import { createModerator } from '../../../orchestrator/privacy/moderate.ts'
import { identity } from '../../../orchestrator/privacy/restore.ts'
import { createTenantFilters } from '../../../orchestrator/privacy/tenant-filters.ts'
import type { Refusal } from '../../../protocol/error.ts'
import { type Asked, startModerationServer } from './moderation-server.ts'

const never = new AbortController().signal
const fine = (asked: Asked) => asked.answer([])
const flagsViolence = (asked: Asked) => asked.answer(asked.input.includes('blood') ? ['violence'] : [])
const filtersOf = createTenantFilters(new Uint8Array(32))

function moderated(url: string, words: readonly string[] = []): TenantPrivacy {
  return { redact: ['email'], custom: [], filter: { words, moderation: { url, model: 'omni' } } }
}

/** A window's timer runs when the test says so. */
function manualClock(): Pick<Clock, 'after'> & { run(): void } {
  const timers = new Set<() => void>()
  return {
    after(_delayMs, run) {
      timers.add(run)
      return () => timers.delete(run)
    },
    run() {
      for (const run of [...timers]) {
        timers.delete(run)
        run()
      }
    },
  }
}

/** What came to the tape, and a promise for the next event of a kind. */
function recorder() {
  const events: string[] = []
  const waiting = new Map<string, () => void>()
  const tell = (event: string) => {
    events.push(event)
    const kind = event.split(' ')[0] ?? ''
    waiting.get(kind)?.()
    waiting.delete(kind)
  }
  const refusals: Refusal[] = []
  const sink: AnswerSink = {
    text: (piece) => tell(`text ${piece}`),
    stopped: (refusal) => {
      refusals.push(refusal)
      tell('stopped')
    },
    broke: (error) => tell(`broke ${error}`),
    pause: () => tell('pause'),
    resume: () => tell('resume'),
  }
  const next = (kind: string) => new Promise<void>((resolve) => waiting.set(kind, resolve))
  return {
    events,
    refusals,
    sink,
    tell,
    next,
    text: () =>
      events
        .filter((e) => e.startsWith('text '))
        .map((e) => e.slice(5))
        .join(''),
  }
}

describe('a moderation endpoint', () => {
  it('[PRIVACY-15] is asked as OpenAI’s is, with the key, and believed', async () => {
    await using server = await startModerationServer(flagsViolence)
    const moderator = createModerator({ url: server.url, key: { reveal: () => 'k-1' }, model: 'omni' })
    expect(await moderator.check('peace', never)).toEqual({ kind: 'fine' })
    expect(await moderator.check('blood', never)).toEqual({ kind: 'flagged', categories: ['violence'] })
    expect(server.asked[0]).toMatchObject({ input: 'peace', model: 'omni', authorization: 'Bearer k-1' })
  })

  it('[PRIVACY-15] is asked about a long message in parts that overlap', async () => {
    await using server = await startModerationServer(flagsViolence)
    const moderator = createModerator({ url: server.url, model: 'omni' })
    for (let at = 30_000; at <= 34_000; at += 500) {
      const text = `${'a'.repeat(at)}blood${'a'.repeat(70_000 - at)}`
      expect((await moderator.check(text, never)).kind).toBe('flagged')
    }
    expect(Math.max(...server.asked.map(({ input }) => input.length))).toBeLessThanOrEqual(32 * 1024)
  })

  it('[PRIVACY-16] that fails once is asked again; one that goes on failing lets nothing through', async () => {
    await using server = await startModerationServer((asked, count) => {
      if (count === 2) asked.answer([])
      else asked.response.writeHead(503).end()
    })
    const moderator = createModerator({ url: server.url, model: 'omni' })
    expect(await moderator.check('a', never)).toEqual({ kind: 'fine' })
    expect(await moderator.check('b', never)).toEqual({ kind: 'unknown', why: 'status 503' })
    expect(server.asked).toHaveLength(4)
  })

  it.each<[string, (asked: Asked) => void, string]>([
    ['refuses', (asked) => asked.response.writeHead(401).end(), 'status 401'],
    ['says something else', (asked) => asked.response.end('{"results":[]}'), 'not a moderation'],
    ['says no JSON', (asked) => asked.response.end('fine'), 'not a moderation'],
    ['never stops talking', (asked) => asked.response.end('x'.repeat(100_000)), 'not a moderation'],
    ['breaks off', (asked) => asked.response.destroy(), 'ECONNRESET'],
  ])('[PRIVACY-16] that %s is unknown', async (_how, reply, why) => {
    await using server = await startModerationServer(reply)
    expect(await createModerator({ url: server.url, model: 'omni' }).check('a', never)).toEqual({
      kind: 'unknown',
      why,
    })
  })

  it('[PRIVACY-16] that is not there, or does not answer before the turn is given up, is unknown', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const server = await startModerationServer(() => resolve())
    const moderator = createModerator({ url: server.url, model: 'omni' })
    const abort = new AbortController()
    const verdict = moderator.check('a', abort.signal)
    await promise
    abort.abort()
    expect((await verdict).kind).toBe('unknown')
    await server[Symbol.asyncDispose]()
    expect((await moderator.check('a', never)).kind).toBe('unknown')
  })
})

describe('a moderated turn', () => {
  it('[PRIVACY-17] is refused for its message, with a reason, and the endpoint sees no identifier', async () => {
    await using server = await startModerationServer(flagsViolence)
    const filters = filtersOf(moderated(server.url))
    const ask = async (content: string) => {
      const messages: ProviderMessage[] = [
        { role: 'user', content: 'blood, long ago' },
        { role: 'user', content },
      ]
      const redaction = await filters.redact('s', messages)
      if (redaction.kind !== 'ok') throw new Error('refused')
      return filters.checkQuestion(redaction.messages, never)
    }
    expect(await ask('peace for anna@example.com')).toBeUndefined()
    expect(server.asked[0]?.input).toMatch(/^peace for QEMAIL\w{8}$/)
    const message = 'the message was stopped by moderation: violence'
    expect(await ask('blood')).toEqual({ kind: 'filtered', message, retryable: false })
  })

  it('[PRIVACY-17] fails as unavailable where nothing can be said of its message', async () => {
    await using server = await startModerationServer((asked) => asked.response.writeHead(400).end())
    const refused = await filtersOf(moderated(server.url)).checkQuestion([{ role: 'user', content: 'a' }], never)
    expect(refused).toMatchObject({ kind: 'unavailable', retryable: true })
  })

  it('[PRIVACY-18] lets its answer out window by window, each when it was checked, with what was before it', async () => {
    await using server = await startModerationServer(fine)
    const clock = manualClock()
    const tape = recorder()
    const filter = filtersOf(moderated(server.url)).startAnswer(identity, clock, tape.sink)
    filter.push('one ')
    filter.push('two ')
    expect(tape.events).toEqual([])
    const first = tape.next('text')
    clock.run()
    filter.push('three ')
    await first
    expect(tape.events).toEqual(['text one two '])
    const ended = tape.next('ended')
    filter.push('four')
    filter.end(() => tape.tell('ended'))
    await ended
    expect(tape.text()).toBe('one two three four')
    expect(server.asked.map(({ input }) => input)).toEqual(['one two ', 'one two three ', 'one two three four'])
  })

  it('[PRIVACY-18] puts values back, also those whose placeholder stands in two windows', async () => {
    await using server = await startModerationServer(fine)
    const filters = filtersOf(moderated(server.url))
    const redaction = await filters.redact('s', [{ role: 'user', content: 'anna@example.com' }])
    if (redaction.kind !== 'ok') throw new Error('refused')
    const name = redaction.messages[0]?.content ?? ''
    const clock = manualClock()
    const tape = recorder()
    const filter = filters.startAnswer(redaction.restorer, clock, tape.sink)
    const first = tape.next('text')
    filter.push(`to ${name.slice(0, 9)}`)
    clock.run()
    await first
    const ended = tape.next('ended')
    filter.push(`${name.slice(9)}!`)
    filter.end(() => tape.tell('ended'))
    await ended
    expect(tape.text()).toBe('to anna@example.com!')
    expect(server.asked.map(({ input }) => input).join()).not.toContain('anna')
  })

  it('[PRIVACY-19] stops its answer before what is flagged, with a reason, and says nothing after it', async () => {
    await using server = await startModerationServer(flagsViolence)
    const clock = manualClock()
    const tape = recorder()
    const filter = filtersOf(moderated(server.url)).startAnswer(identity, clock, tape.sink)
    const first = tape.next('text')
    filter.push('peace bl')
    clock.run()
    await first
    const stopped = tape.next('stopped')
    filter.push('ood ')
    clock.run()
    filter.push('and more')
    filter.end(() => tape.tell('ended'))
    await stopped
    filter.push('and more')
    expect(tape.events).toEqual(['text peace bl', 'stopped'])
    expect(tape.refusals).toMatchObject([
      { kind: 'filtered', message: 'the answer was stopped by moderation: violence' },
    ])
  })

  it('[PRIVACY-19] stops its answer as unavailable where nothing can be said of it', async () => {
    await using server = await startModerationServer((asked) => asked.response.writeHead(400).end())
    const tape = recorder()
    const filter = filtersOf(moderated(server.url)).startAnswer(identity, manualClock(), tape.sink)
    const stopped = tape.next('stopped')
    filter.push('a')
    filter.end(() => tape.tell('ended'))
    await stopped
    expect(tape.events).toEqual(['stopped'])
    expect(tape.refusals).toMatchObject([{ kind: 'unavailable' }])
  })

  it('[PRIVACY-18] pauses the provider while too much waits, and resumes it', async () => {
    const asked = Promise.withResolvers<Asked>()
    await using server = await startModerationServer((one, count) =>
      count === 1 ? asked.resolve(one) : one.answer([]),
    )
    const tape = recorder()
    const filter = filtersOf(moderated(server.url)).startAnswer(identity, manualClock(), tape.sink)
    const piece = 'x'.repeat(1_000)
    for (let count = 0; count < 70; count++) filter.push(piece)
    expect(tape.events).toEqual(['pause'])
    const resumed = tape.next('resume')
    const first = await asked.promise
    first.answer([])
    await resumed
    const ended = tape.next('ended')
    filter.end(() => tape.tell('ended'))
    await ended
    expect(tape.text().length).toBe(70_000)
  })

  it('[PRIVACY-19] a word stops it too, and a turn that is over hears nothing more', async () => {
    await using server = await startModerationServer(fine)
    const tape = recorder()
    const filter = filtersOf(moderated(server.url, ['evil'])).startAnswer(identity, manualClock(), tape.sink)
    const stopped = tape.next('stopped')
    filter.push('good and evil.')
    filter.end(() => tape.tell('ended'))
    await stopped
    expect(tape.events).toEqual(['text good and ', 'stopped'])
    const other = recorder()
    const closed = filtersOf(moderated(server.url)).startAnswer(identity, manualClock(), other.sink)
    closed.push('x'.repeat(2_000))
    closed.close()
    closed.end(() => other.tell('ended'))
    expect(other.events).toEqual([])
  })

  it('[PRIVACY-19] a bug behind it is told, not thrown at nobody', async () => {
    await using server = await startModerationServer(fine)
    const tape = recorder()
    const text = () => {
      throw new Error('bug')
    }
    const filter = filtersOf(moderated(server.url)).startAnswer(identity, manualClock(), { ...tape.sink, text })
    const broke = tape.next('broke')
    filter.push('a')
    filter.end(() => tape.tell('ended'))
    await broke
    expect(tape.events).toEqual(['broke Error: bug'])
  })
})

describe('a turn without moderation', () => {
  const privacy: TenantPrivacy = { redact: ['email'], custom: [], filter: { words: ['evil', 'evil@example.com'] } }

  it('[PRIVACY-20] is filtered inside the call that brings the text, values back first', async () => {
    const filters = filtersOf(privacy)
    expect(filtersOf(privacy)).toBe(filters)
    expect(await filters.checkQuestion([{ role: 'user', content: 'evil' }], never)).toBeUndefined()
    const redaction = await filters.redact('s', [{ role: 'user', content: 'anna@example.com, evil@example.com' }])
    if (redaction.kind !== 'ok') throw new Error('refused')
    const [anna = '', evil = ''] = redaction.messages[0]?.content.split(', ') ?? []
    const tape = recorder()
    const filter = filters.startAnswer(redaction.restorer, manualClock(), tape.sink)
    filter.push(`${anna} and `)
    expect(tape.events).toEqual(['text anna@example.com and '])
    filter.push(evil)
    filter.end(() => tape.tell('ended'))
    expect(tape.events).toEqual(['text anna@example.com and ', 'stopped'])
    const message = 'the answer was stopped at a word that is not allowed here'
    expect(tape.refusals).toEqual([{ kind: 'filtered', message, retryable: false }])
  })

  it('[PRIVACY-20] lets out at its end what was held back', () => {
    const tape = recorder()
    const filter = filtersOf(privacy).startAnswer(identity, manualClock(), tape.sink)
    filter.push('the devil is e')
    filter.push('vi')
    filter.end(() => tape.tell('ended'))
    expect(tape.text()).toBe('the devil is evi')
    expect(tape.events.at(-1)).toBe('ended')
  })
})
