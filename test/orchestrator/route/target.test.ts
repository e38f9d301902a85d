import { describe, expect, test } from 'vitest'
import { Secret } from '../../../gateway/config/secret.ts'
import type { TargetLimits } from '../../../orchestrator/policy.ts'
import type { Provider, ProviderSink } from '../../../orchestrator/ports.ts'
import { illness } from '../../../orchestrator/providers/refusals.ts'
import { createPlaces } from '../../../orchestrator/route/places.ts'
import type { CallListener } from '../../../orchestrator/route/target.ts'
import { Targets } from '../../../orchestrator/route/targets.ts'
import { systemClock } from '../../../orchestrator/turns.ts'
import { policyOf, targetAt } from '../../support/policy.ts'

const limits: TargetLimits = { concurrent: 0, requestsPerMinute: 0, tokensPerMinute: 0, waiting: 0 }

/** Enters, and tells what comes of it. */
function entered(places: ReturnType<typeof createPlaces>, tokens = 1) {
  const { promise, resolve } = Promise.withResolvers<'granted' | 'full'>()
  const state = { now: 'waiting' }
  const tell = (what: 'granted' | 'full') => () => {
    state.now = what
    resolve(what)
  }
  const place = places.enter(tokens, tell('granted'), tell('full'))
  return { place, came: promise, state }
}

describe('the places at a target', () => {
  test('[ROUTE-13] are as many at once as allowed; a bounded number waits, and is let in when one leaves', async () => {
    const places = createPlaces({ ...limits, concurrent: 2, waiting: 1 })
    const [first, second] = [entered(places), entered(places)]
    expect(await Promise.all([first.came, second.came])).toEqual(['granted', 'granted'])
    const third = entered(places)
    const fourth = entered(places)
    expect(await fourth.came).toBe('full')
    expect(third.state.now).toBe('waiting')
    first.place.leave()
    expect(await third.came).toBe('granted')
    places.close()
  })

  test('[ROUTE-13] one that gave up takes no place from the next', async () => {
    const places = createPlaces({ ...limits, concurrent: 1, waiting: 2 })
    const first = entered(places)
    await first.came
    const [gaveUp, next] = [entered(places), entered(places)]
    gaveUp.place.leave()
    first.place.leave()
    expect(await next.came).toBe('granted')
    expect(gaveUp.state.now).toBe('waiting')
    places.close()
  })

  test('[ROUTE-13] a minute has as many calls and tokens as allowed, and a call of more than a minute’s tokens is let in', async () => {
    const calls = createPlaces({ ...limits, requestsPerMinute: 2 })
    expect(await Promise.all([1, 2, 3].map(() => entered(calls).came))).toEqual(['granted', 'granted', 'full'])
    calls.close()
    const tokens = createPlaces({ ...limits, tokensPerMinute: 100 })
    expect(await entered(tokens, 1_000).came).toBe('granted')
    expect(await entered(tokens, 1).came).toBe('full')
    tokens.close()
  })

  test('[ROUTE-13] calls that gave up give the minute’s permits back', async () => {
    const places = createPlaces({ ...limits, requestsPerMinute: 2, tokensPerMinute: 1_000, waiting: 5, concurrent: 1 })
    const first = entered(places, 10)
    await first.came
    const gaveUp = [1, 2, 3].map(() => entered(places, 10))
    const next = entered(places, 10)
    for (const one of gaveUp) one.place.leave()
    first.place.leave()
    expect(await next.came).toBe('granted')
    places.close()
  })

  test('[ROUTE-13] without a limit a place is granted at once', () => {
    expect(entered(createPlaces(limits)).state.now).toBe('granted')
  })
})

class Played implements Provider {
  readonly name = 'played'
  readonly sinks: ProviderSink[] = []
  readonly keys: string[] = []
  isClosed = false
  call({ apiKey }: { readonly apiKey: string }, sink: ProviderSink) {
    this.sinks.push(sink)
    this.keys.push(apiKey)
    const quiet = () => undefined
    return { pause: quiet, resume: quiet, close: quiet }
  }
  close() {
    this.isClosed = true
  }
}

const question = { messages: [], maxOutputTokens: 5, tokens: 5 }

function listener(heard: string[] = []): CallListener {
  const tell = (what: string) => () => void heard.push(what)
  const told = { sent: tell('sent'), connected: tell('connected'), started: tell('started') }
  const quiet = { taken: () => undefined, thought: () => undefined, alive: () => undefined, counted: () => undefined }
  return {
    ...told,
    ...quiet,
    passed: (why) => void heard.push(`passed ${why}`),
    text: tell('text'),
    ended: tell('ended'),
    failed: (_failure, hasKey) => void heard.push(`failed ${hasKey}`),
  }
}

describe('the targets of a policy', () => {
  const breaker = { windowMs: 60_000, minimumCalls: 1, errorRatio: 1, openMs: 60_000, probes: 1 }

  function played() {
    const providers: Played[] = []
    const connect = () => {
      const provider = new Played()
      providers.push(provider)
      return provider
    }
    const timers: (() => void)[] = []
    const after = (_ms: number, run: () => void) => {
      timers.push(run)
      return () => undefined
    }
    return { providers, timers, ports: { clock: { ...systemClock, after }, connect } }
  }

  test('[ROUTE-26] one that did not change keeps its health; a changed one begins anew, and turns that began before keep the old one', () => {
    const { providers, timers, ports } = played()
    const [same, changing] = [targetAt('same', 'http://a/v1'), targetAt('changing', 'http://b/v1')]
    const targets = new Targets(policyOf([same, changing], { breaker }), ports)
    targets.current().get('same')?.call(question, listener())
    providers[0]?.sinks[0]?.failed(illness('broken'))
    const before = targets.current()
    targets.replace(policyOf([same, { ...changing, model: 'other' }], { breaker }))
    expect([...targets.states().values()]).toEqual(['open', 'closed'])
    const heard: string[] = []
    targets.current().get('same')?.call(question, listener(heard))
    before.get('changing')?.call(question, listener(heard))
    expect(heard).toEqual(['passed ill', 'sent'])
    expect(providers.map(({ isClosed }) => isClosed)).toEqual([false, false, false])
    for (const run of timers) run()
    expect(providers.map(({ isClosed }) => isClosed)).toEqual([false, true, false])
    targets.close()
    expect(providers.map(({ isClosed }) => isClosed)).toEqual([true, true, true])
  })

  test('[ROUTE-26] other keys are taken over, and keep what is known of the target', () => {
    const { providers, ports } = played()
    const secret = (value: string) => new Secret(value)
    const target = targetAt('a', 'http://a/v1', { keys: [secret('one')] })
    const targets = new Targets(policyOf([target]), ports)
    targets.replace(policyOf([{ ...target, keys: [secret('two')] }]))
    targets.current().get('a')?.call(question, listener())
    expect(providers.map(({ keys }) => keys)).toEqual([['two']])
    targets.close()
  })

  test('[ROUTE-11] a probe that brings content closes the breaker, however long its answer takes', () => {
    const { providers, ports } = played()
    let nowMs = 0
    const clock = { ...ports.clock, monotonicMs: () => nowMs }
    const targets = new Targets(policyOf([targetAt('a', 'http://a/v1')], { breaker }), { ...ports, clock })
    const call = () => void targets.current().get('a')?.call(question, listener())
    call()
    providers[0]?.sinks[0]?.failed(illness('broken'))
    nowMs = breaker.openMs
    call()
    expect([...targets.states().values()]).toEqual(['half-open'])
    providers[0]?.sinks[1]?.text('well')
    expect([...targets.states().values()]).toEqual(['closed'])
    targets.close()
  })

  test('[ROUTE-3] keys are used in turn, and one that was refused rests', () => {
    const provider = new Played()
    const keys = ['one', 'two'].map((key) => ({ reveal: () => key }))
    const policy = policyOf([targetAt('a', 'http://a/v1', { keys })], { breaker })
    const target = new Targets(policy, { clock: systemClock, connect: () => provider }).current().get('a')
    const heard: string[] = []
    // Some ask for no pause at all.
    const refused = { ...illness('slow down'), cure: 'other-key', isIllness: false, retryAfterMs: 0 } as const
    for (const index of [0, 1]) {
      target?.call(question, listener(heard))
      provider.sinks[index]?.failed(refused)
    }
    target?.call(question, listener(heard))
    expect(provider.keys).toEqual(['one', 'two'])
    expect(heard).toEqual(['sent', 'failed true', 'sent', 'failed false', 'passed cooling'])
  })

  test('[ROUTE-301] keys that were refused, or whose account is empty, are not waited for', () => {
    const provider = new Played()
    const policy = policyOf([targetAt('a', 'http://a/v1', { keys: [{ reveal: () => 'one' }] })], { breaker })
    const target = new Targets(policy, { clock: systemClock, connect: () => provider }).current().get('a')
    const heard: string[] = []
    target?.call(question, listener(heard))
    provider.sinks[0]?.failed({ ...illness('empty'), cure: 'other-account', isIllness: false })
    target?.call(question, listener(heard))
    expect(heard).toEqual(['sent', 'failed false', 'passed refused'])
  })
})
