import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Cure, ProviderFailure } from '../../../orchestrator/ports.ts'
import { answerWakeAtMs, startAnswer, stepAnswer } from '../../../orchestrator/route/answer.ts'
import type { AnswerEffect, AnswerEvent, AnswerPlan, AnswerState } from '../../../orchestrator/route/answer-state.ts'
import { refusal } from '../../../protocol/error.ts'

const retry = {
  totalMs: 30_000,
  triesPerTarget: 2,
  baseMs: 100,
  maxMs: 8_000,
  connectMs: 5_000,
  firstContentMs: 10_000,
  silenceMs: 20_000,
  thinkingMs: 60_000,
  afterContent: 'restart',
  breaks: 2,
  emptyAnswer: 'accept',
  hedgeMs: 0,
} as const

const plan: AnswerPlan = { retry, order: ['a', 'b'], hasOffline: false }

function failure(cure: Cure, retryAfterMs?: number): ProviderFailure {
  const kind = cure === 'other-key' ? 'rate-limited' : 'provider'
  const base = { refusal: refusal(kind, `cured by ${cure}`), cure, isIllness: cure === 'wait' }
  return retryAfterMs === undefined ? base : { ...base, retryAfterMs }
}

/** Plays events and keeps what was wanted, as short words. */
class Played {
  state: AnswerState
  nowMs = 0
  contentMs = 0
  lifeMs = 0
  readonly wanted: string[] = []
  readonly open = new Set<number>()
  readonly #plan: AnswerPlan

  constructor(of: AnswerPlan = plan) {
    this.#plan = of
    const { state, effects } = startAnswer(of, 0)
    this.state = state
    this.#want(effects)
  }

  hear(event: AnswerEvent): this {
    if ('id' in event && ['ended', 'failed', 'passed'].includes(event.type)) this.open.delete(event.id)
    if (event.type === 'content') this.contentMs = event.nowMs
    if (event.type === 'content' || event.type === 'alive') this.lifeMs = event.nowMs
    const { state, effects } = stepAnswer(this.state, event, this.#plan)
    this.state = state
    this.#want(effects)
    return this
  }

  sent(id: number) {
    return this.hear({ type: 'sent', id, nowMs: this.nowMs })
  }
  connected(id: number) {
    return this.hear({ type: 'connected', id, nowMs: this.nowMs })
  }
  content(id: number) {
    return this.hear({ type: 'content', id, nowMs: this.nowMs })
  }
  alive(id: number) {
    return this.hear({ type: 'alive', id, nowMs: this.nowMs })
  }
  ended(id: number) {
    return this.hear({ type: 'ended', id, nowMs: this.nowMs, chance: 0.5 })
  }
  failed(id: number, of: ProviderFailure, keys: { hasKey?: boolean; coolForMs?: number } = {}) {
    const { hasKey = false, coolForMs = 0 } = keys
    return this.hear({ type: 'failed', id, nowMs: this.nowMs, failure: of, hasKey, coolForMs, chance: 0.5 })
  }
  passed(id: number, why: 'full' | 'ill' | 'cooling' | 'refused', forMs: number) {
    return this.hear({ type: 'passed', id, nowMs: this.nowMs, why, forMs, chance: 0.5 })
  }
  /** Time passes until the answer wants to be told. */
  wake() {
    this.nowMs = answerWakeAtMs(this.state, { lifeMs: this.lifeMs, contentMs: this.contentMs }, this.#plan)
    return this.hear({ type: 'ticked', nowMs: this.nowMs, lifeMs: this.lifeMs, contentMs: this.contentMs, chance: 0.5 })
  }

  #want(effects: readonly AnswerEffect[]) {
    for (const effect of effects) {
      if (effect.type === 'call') this.open.add(effect.id)
      if (effect.type === 'close') this.open.delete(effect.id)
      this.wanted.push(wordOf(effect))
      if (effect.type === 'broke' && effect.how === 'continue') this.hear({ type: 'mended', nowMs: this.nowMs })
    }
  }
}

function wordOf(effect: AnswerEffect): string {
  switch (effect.type) {
    case 'call':
      return `call ${effect.target} ${effect.why}`
    case 'close':
      return `close ${effect.id} ${effect.why}`
    case 'broke':
      return `broke ${effect.how}`
    case 'fail':
      return `fail ${effect.refusal.message}`
    case 'adopt':
    case 'finish':
      return `${effect.type} ${effect.id}`
    case 'offline':
      return 'offline'
  }
}

describe('an answer before its first content', () => {
  test('[ROUTE-1] the first call is adopted at its first content and finishes', () => {
    const { wanted } = new Played().sent(1).connected(1).content(1).ended(1)
    expect(wanted).toEqual(['call a first', 'adopt 1', 'finish 1'])
  })

  test('[ROUTE-1] an answer without content is one when its provider says that it ended', () => {
    expect(new Played().sent(1).ended(1).wanted).toEqual(['call a first', 'adopt 1', 'finish 1'])
  })

  test('[ROUTE-2] a target is asked again after a wait, then the next one at once', () => {
    const played = new Played().sent(1).failed(1, failure('wait'))
    expect(played.wanted).toEqual(['call a first'])
    played.wake()
    expect(played.nowMs).toBe(50)
    played.sent(2).failed(2, failure('wait'))
    expect(played.wanted).toEqual(['call a first', 'call a retry', 'call b fallback'])
    expect(played.nowMs).toBe(50)
  })

  test('[ROUTE-2] Retry-After is a floor, on which the jitter stands', () => {
    const played = new Played().sent(1).failed(1, failure('wait', 2_000)).wake()
    expect(played.nowMs).toBe(2_000 + 0.5 * 1_000)
  })

  test('[ROUTE-2] a pause beyond the deadline is not waited for', () => {
    const one = { ...plan, order: ['a'] }
    expect(new Played(one).sent(1).failed(1, failure('wait', 40_000)).wanted.at(-1)).toBe('fail cured by wait')
  })

  test('[ROUTE-3] another key at once, then another target, and when all cool down a wait', () => {
    const played = new Played()
      .sent(1)
      .failed(1, failure('other-key', 2_000), { hasKey: true })
      .sent(2)
      .failed(2, failure('other-key', 2_000), { coolForMs: 2_000 })
      .passed(3, 'cooling', 3_000)
    expect(played.wanted).toEqual(['call a first', 'call a key', 'call b fallback'])
    played.wake()
    expect(played.nowMs).toBe(2_000 + 0.5 * 1_000)
    expect(played.wanted.at(-1)).toBe('call a retry')
  })

  test('[ROUTE-3] what no other call may cure fails at once', () => {
    expect(new Played().sent(1).failed(1, failure('none')).wanted).toEqual(['call a first', 'fail cured by none'])
  })

  test('[ROUTE-4] a slow target is left for the next one, and the last one is waited for', () => {
    const played = new Played().sent(1).connected(1).wake()
    expect([played.nowMs, ...played.wanted]).toEqual([10_000, 'call a first', 'close 1 late', 'call b fallback'])
    played.sent(2).connected(2).wake()
    expect(played.nowMs).toBe(30_000)
    expect(played.wanted.slice(3)).toEqual(['close 2 late', 'fail the model did not begin to answer within 10000 ms'])
  })

  test('[ROUTE-4] without a connection the same target is tried again', () => {
    const played = new Played().sent(1).wake()
    expect([played.nowMs, played.wanted.at(-1)]).toEqual([5_000, 'close 1 late'])
    expect(played.wake().wanted.at(-1)).toBe('call a retry')
  })

  test('[ROUTE-5] when all targets are ill it is said at once, however soon they may be tried again', () => {
    const played = new Played().passed(1, 'ill', 1_000).passed(2, 'ill', 1_000)
    expect(played.wanted.at(-1)).toBe('fail the model has failed too often lately and is left alone')
    const offline = new Played({ ...plan, hasOffline: true }).passed(1, 'ill', 1_000).passed(2, 'ill', 1_000)
    expect(offline.wanted.at(-1)).toBe('offline')
  })

  test('[ROUTE-4] a call that waits long for its place is left for another target', () => {
    const played = new Played().wake()
    expect([played.nowMs, ...played.wanted]).toEqual([10_000, 'call a first', 'close 1 late', 'call b fallback'])
  })

  test('[ROUTE-6] what is at fault in the request is not the other call’s fault', () => {
    const played = new Played({ ...plan, retry: { ...retry, hedgeMs: 300 } }).sent(1).connected(1).wake().sent(2)
    expect(played.failed(2, failure('none')).wanted.slice(2)).toEqual(['close 1 lost', 'fail cured by none'])
  })

  test('[ROUTE-6] a hedge is called beside a slow call; the first content wins, the other is closed', () => {
    const hedged = { ...plan, retry: { ...retry, hedgeMs: 300 } }
    const played = new Played(hedged).sent(1).connected(1).wake().sent(2).content(2)
    expect(played.wanted).toEqual(['call a first', 'call b hedge', 'close 1 lost', 'adopt 2'])
    const other = new Played(hedged).sent(1).connected(1).wake().sent(2).failed(2, failure('wait')).content(1)
    expect(other.wanted).toEqual(['call a first', 'call b hedge', 'adopt 1'])
  })
})

describe('an answer after its first content', () => {
  test('[ROUTE-7] a break is mended at another target, as often as it may', () => {
    const played = new Played().sent(1).content(1).failed(1, failure('wait'))
    expect(played.wanted.slice(2)).toEqual(['call b fallback'])
    played.sent(2).content(2).failed(2, failure('wait')).sent(3).content(3).failed(3, failure('wait'))
    expect(played.wanted.slice(3)).toEqual([
      'adopt 2',
      'broke restart',
      'call a fallback',
      'adopt 3',
      'broke restart',
      'fail cured by wait',
    ])
  })

  test('[ROUTE-7] what broke is replaced by content alone: without any it stays', () => {
    const played = new Played().sent(1).content(1).failed(1, failure('wait')).passed(2, 'ill', 60_000)
    expect(played.passed(3, 'ill', 60_000).wanted.slice(2)).toEqual([
      'call b fallback',
      'call a fallback',
      'fail cured by wait',
    ])
  })

  test('[ROUTE-7] with `fail` it fails, with `continue` it goes on', () => {
    const failing = new Played({ ...plan, retry: { ...retry, afterContent: 'fail' } })
    expect(failing.sent(1).content(1).failed(1, failure('wait')).wanted.at(-1)).toBe('fail cured by wait')
    const going = new Played({ ...plan, retry: { ...retry, afterContent: 'continue' } })
    expect(going.sent(1).content(1).failed(1, failure('wait')).wanted.slice(2)).toEqual([
      'broke continue',
      'call b fallback',
    ])
  })

  test('[ROUTE-7] after a break the offline text would follow half an answer: it fails instead', () => {
    const played = new Played({ ...plan, hasOffline: true }).sent(1).content(1).failed(1, failure('wait'))
    played.passed(2, 'ill', 60_000).passed(3, 'ill', 60_000)
    expect(played.wanted.at(-1)).toBe('fail cured by wait')
  })

  test('[ROUTE-8] silence in the middle is a break; thinking is no silence, and has a bound of its own', () => {
    const played = new Played().sent(1).connected(1).content(1)
    played.contentMs = 500
    played.lifeMs = 500
    played.wake()
    expect(played.nowMs).toBe(20_500)
    expect(played.wanted.slice(2)).toEqual(['close 1 silent', 'call b fallback'])
    const thinking = new Played().sent(1).connected(1).content(1)
    for (let nowMs = 0; nowMs < 60_000; nowMs += 10_000) thinking.lifeMs = nowMs
    thinking.wake()
    expect(thinking.nowMs).toBe(60_000)
    expect(thinking.wanted.slice(2)).toEqual(['close 1 thinking', 'call b fallback'])
  })
})

test('[ROUTE-301] keys that were refused, or whose account is empty, are not waited for', () => {
  const alone = { ...plan, order: ['a'] }
  const refused = new Played(alone).sent(1).failed(1, failure('other-account'), { coolForMs: Number.POSITIVE_INFINITY })
  expect(refused.wanted).toEqual(['call a first', 'fail cured by other-account'])
  expect(new Played(alone).passed(1, 'refused', Number.POSITIVE_INFINITY).wanted.slice(1)).toEqual([
    "fail the model's provider refused the gateway's keys or its account a moment ago",
  ])
  const another = new Played(alone).sent(1).failed(1, failure('other-account'), { hasKey: true })
  expect(another.wanted).toEqual(['call a first', 'call a key'])
})

describe('a model that thinks before it answers', () => {
  /** Shows life every five seconds until `untilMs`. */
  function thought(played: Played, id: number, untilMs: number): Played {
    for (; played.nowMs < untilMs; played.nowMs += 5_000) played.alive(id)
    return played
  }

  test('[ROUTE-300] is waited for beyond all other bounds, and nothing is called beside it', () => {
    const hedged = { ...plan, retry: { ...retry, hedgeMs: 8_000 } }
    const { wanted } = thought(new Played(hedged).sent(1).connected(1), 1, 55_000).content(1).ended(1)
    expect(wanted).toEqual(['call a first', 'adopt 1', 'finish 1'])
  })

  test('[ROUTE-300] is left when it thinks for too long, or begins to and says nothing more', () => {
    const endless = thought(new Played().sent(1), 1, 60_000).wake()
    expect([endless.nowMs, endless.wanted.slice(1)]).toEqual([60_000, ['close 1 thinking', 'call b fallback']])
    const silent = new Played().sent(1).alive(1).wake()
    expect([silent.nowMs, silent.wanted.slice(1)]).toEqual([20_000, ['close 1 silent', 'call b fallback']])
  })

  test('[ROUTE-300] costs the next target none of its time', () => {
    const played = thought(new Played().sent(1), 1, 50_000).failed(1, failure('other-target')).sent(2)
    played.nowMs += 9_000
    expect(played.content(2).ended(2).wanted).toEqual(['call a first', 'call b fallback', 'adopt 2', 'finish 2'])
  })
})

describe('any answer', () => {
  const cures = fc.constantFrom<Cure>('wait', 'other-key', 'other-account', 'other-target', 'none')
  const act = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ type: fc.constantFrom('sent', 'connected', 'alive', 'content', 'wake', 'wake') }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant('failed'), cure: cures, after: fc.nat(40_000), hasKey: fc.boolean() }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('passed', 'ended'), after: fc.nat(5_000) }) },
  )

  test('[ROUTE-9] ends, in bounded time and calls, and leaves no call open', () => {
    fc.assert(
      fc.property(
        fc.array(act, { maxLength: 60 }),
        fc.nat(1_000),
        fc.constantFrom('restart', 'continue', 'fail'),
        fc.boolean(),
        (acts, hedgeMs, afterContent, hasOffline) => {
          const played = new Played({
            order: ['a', 'b', 'c'],
            retry: { ...retry, hedgeMs: hedgeMs < 300 ? 0 : hedgeMs, afterContent },
            hasOffline,
          })
          for (const one of acts) {
            const id = [...played.open].at(-1) ?? 0
            const { after = 0 } = one as { after?: number }
            if (one.type === 'wake') played.wake()
            else if (one.type === 'sent') played.sent(id)
            else if (one.type === 'connected') played.connected(id)
            else if (one.type === 'alive') played.alive(id)
            else if (one.type === 'content') played.content(id)
            else if (one.type === 'ended') played.ended(id)
            else if (one.type === 'passed') played.passed(id, 'full', after)
            else {
              const { cure, hasKey } = one as { cure: Cure; hasKey: boolean }
              played.failed(id, failure(cure, after), { hasKey, coolForMs: hasKey ? 0 : after })
            }
            if (played.state.phase === 'done') break
          }
          // Nobody answers any more: time alone must end it.
          for (let ticks = 0; played.state.phase !== 'done' && ticks < 200; ticks++) {
            const { state, lifeMs, contentMs } = played
            expect(Number.isFinite(answerWakeAtMs(state, { lifeMs, contentMs }, plan))).toBe(true)
            played.wake()
          }
          expect(played.state.phase).toBe('done')
          expect(played.open.size).toBe(0)
          const last = played.wanted.at(-1) ?? ''
          expect(last).toMatch(/^(finish|fail|offline)/)
          expect(played.wanted.filter((word) => /^(finish|fail|offline)/.test(word))).toHaveLength(1)
          expect(played.wanted.filter((word) => word.startsWith('call')).length).toBeLessThan(70)
        },
      ),
      { numRuns: 500 },
    )
  })
})
