import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isTerminal } from '../../../protocol/record.ts'
import type { LogEntry } from '../../../sessions/session-log.ts'
import {
  appending,
  asking,
  ending,
  expectKind,
  type Heard,
  history,
  type LogUnderTest,
  leaseMs,
  listen,
  type MakeLog,
  makeSession,
  placeOf,
  session,
  started,
  type TerminalType,
  turnOf,
} from './bench.ts'

/**
 * Several producers do the right thing and the wrong one in any order, each operation is repeated at will and any
 * earlier one is executed again later. What each sends as the text of an attempt is a function of its token, the
 * attempt, the part and the offset, so whoever sees a byte can say whose it is.
 */

type Step =
  | { readonly do: 'accept'; readonly producer: number; readonly message: number; readonly isAnew: boolean }
  | { readonly do: 'append'; readonly producer: number; readonly part: number; readonly off: number; size: number }
  | { readonly do: 'open'; readonly producer: number; readonly raise: number }
  | { readonly do: 'end'; readonly producer: number; readonly type: TerminalType; readonly isWhole: boolean }
  | { readonly do: 'take'; readonly producer: number }
  | { readonly do: 'cancel' }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'late'; readonly index: number }

const producersCount = 3
const messagesCount = 9
const producer = fc.nat(producersCount - 1)
/** Any of them, or as often the one that the store last said `yours` to. */
const holder = producersCount
const writer = fc.constantFrom(0, 1, 2, holder, holder, holder)
const terminal = fc.constantFrom<TerminalType>('turn.completed', 'turn.cancelled', 'turn.failed')
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('accept' as const),
      producer,
      message: fc.nat(messagesCount - 1),
      isAnew: fc.constantFrom(true, false, false, false),
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      producer: writer,
      part: fc.constantFrom(0, 0, 0, 1),
      off: fc.constantFrom(0, 0, 0, -3, 2),
      size: fc.nat(9),
    }),
  },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('open' as const), producer: writer, raise: fc.constantFrom(1, 1, 0, 3) }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      producer: writer,
      type: terminal,
      isWhole: fc.constantFrom(true, true, false),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant('take' as const), producer }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('advance' as const),
      ms: fc.constantFrom(1, leaseMs / 2, leaseMs, leaseMs),
    }),
  },
  { weight: 9, arbitrary: fc.record({ do: fc.constant('late' as const), index: fc.nat(200) }) },
)
const repeated = fc.record({ step, times: fc.constantFrom(1, 1, 2, 3) })

/** Of part 1 it is other text than of part 0; every character has two bytes or one, so that offsets meet both. */
function sourceText(token: string, attempt: number, part: number): Buffer {
  return Buffer.from(`${token}:${attempt}:${part};`.repeat(40))
}

interface ProducerState {
  token: string
  turn: string
  attempt: number
  message: number | undefined
  seen: number | undefined
}

class Play {
  readonly made: LogUnderTest
  readonly counts = new Map<string, number>()
  readonly cancelled = new Set<string>()
  readonly acknowledged = new Map<string, string>()
  readonly #done: (() => Promise<void>)[] = []
  readonly #producers: ProducerState[] = Array.from({ length: producersCount }, (_, index) => ({
    token: `p${index}`,
    turn: 'none',
    attempt: 0,
    message: undefined,
    seen: undefined,
  }))
  #holder = this.#producers[0]
  #tokens = 0

  constructor(made: LogUnderTest) {
    this.made = made
  }

  async run(step: Step, times: number): Promise<void> {
    const operation = await this.#operation(step)
    for (let time = 0; time < times; time += 1) await operation()
    this.#done.push(operation)
  }

  /** Fixes the arguments, so that a repeat, now or later, is the very same call. */
  async #operation(step: Step): Promise<() => Promise<void>> {
    switch (step.do) {
      case 'accept':
        return this.#accept(this.#at(step.producer), step)
      case 'append':
        return this.#append(this.#at(step.producer), step)
      case 'open':
        return this.#open(this.#at(step.producer), step.raise)
      case 'end':
        return this.#end(this.#at(step.producer), step)
      case 'take':
        return this.#take(this.#at(step.producer))
      case 'cancel':
        return this.#cancel()
      case 'advance':
        return async () => this.made.advance(step.ms)
      case 'late':
        return this.#done[step.index % Math.max(this.#done.length, 1)] ?? (async () => undefined)
    }
  }

  #accept(state: ProducerState, { message, isAnew }: Step & { do: 'accept' }): () => Promise<void> {
    // A token and a turn's id are made for one claim of one message.
    if (isAnew || state.message !== message) this.#renew(state)
    state.message = message
    const turn = `turn-${state.token}`
    const request = asking(message, { token: state.token, turn })
    return async () => {
      const reply = await this.made.log.accept(request)
      this.#count(`accept ${reply.kind}`)
      if (reply.kind === 'yours' || reply.kind === 'repeat') this.acknowledged.set(request.messageId, reply.turn)
      if (reply.kind === 'yours') this.#hold(state, request.token, reply.turn)
    }
  }

  #append(state: ProducerState, { part, off, size }: Step & { do: 'append' }): () => Promise<void> {
    const fence = { token: state.token, turn: state.turn, attempt: state.attempt }
    const source = sourceText(fence.token, fence.attempt, part)
    return this.#fixed(async () => {
      const read = await this.made.log.read({ session, turn: fence.turn, part, at: 0, maxBytes: 0 })
      const at = Math.max((read.kind === 'ok' ? read.length : 0) + off, 0)
      const request = { ...appending(fence, at, '', { part }), text: source.subarray(at, at + size) }
      return async () => {
        const reply = await this.made.log.append(request)
        this.#count(`append ${reply.kind}`)
        if (reply.kind === 'stale' && state.token === fence.token) state.turn = 'none'
      }
    })
  }

  #open(state: ProducerState, raise: number): () => Promise<void> {
    const attempt = state.attempt + raise
    const fence = { token: state.token, turn: state.turn, attempt }
    const open = started(fence.turn, attempt)
    const request = {
      ...appending(fence, 0, '', { open, leaseMs }),
      text: sourceText(fence.token, attempt, 0).subarray(0, 3),
    }
    return async () => {
      const reply = await this.made.log.append(request)
      this.#count(`open ${reply.kind}`)
      if (reply.kind === 'ok') state.attempt = attempt
      if (reply.kind === 'attempt') state.attempt = Math.max(state.attempt, reply.attempt)
    }
  }

  #end(state: ProducerState, { type, isWhole }: Step & { do: 'end' }): () => Promise<void> {
    const { token, turn } = state
    return this.#fixed(async () => {
      const { run } = expectKind(await this.made.log.open({ session, limit: 1 }), 'ok')
      const texts = run?.tapes.map((tape) => tape.text.toString()) ?? []
      const given = isWhole ? texts : texts.map((text) => text.slice(1))
      const request = ending({ token, turn, attempt: run?.attempt ?? 0 }, given, type)
      return async () => this.#count(`end ${(await this.made.log.end(request)).kind}`)
    })
  }

  /** Who holds a turn, as far as it knows, repeats its claim; anybody else makes a new one. */
  #take(state: ProducerState): () => Promise<void> {
    if (state.turn === 'none') this.#renew(state)
    const { token } = state
    const seen = this.#producers.find((other) => other.seen !== undefined)?.seen
    return async () => {
      const reply = await this.made.log.takeOver({ session, token, leaseMs, ...(seen === undefined ? {} : { seen }) })
      this.#count(`take ${reply.kind}`)
      if (reply.kind === 'lapsed') state.seen = reply.deadline
      if (reply.kind === 'yours') this.#hold(state, token, reply.turn)
    }
  }

  #cancel(): () => Promise<void> {
    return this.#fixed(async () => {
      const { run, entries } = expectKind(await this.made.log.open({ session, limit: 1 }), 'ok')
      const turn = run?.turn ?? turnOf(entries[0]?.record) ?? 'none'
      return async () => {
        const reply = await this.made.log.cancel({ session, turn })
        this.#count(`cancel ${reply.kind}`)
        if (reply.kind === 'cancelling') this.cancelled.add(turn)
      }
    })
  }

  /** The first execution looks at the store for its arguments; the others use the same. */
  #fixed(prepare: () => Promise<() => Promise<void>>): () => Promise<void> {
    let prepared: Promise<() => Promise<void>> | undefined
    return async () => {
      prepared ??= prepare()
      await (await prepared)()
    }
  }

  /** Takes over what still runs and ends it, as the last node standing would. */
  async settle(): Promise<void> {
    const { log, advance } = this.made
    for (let round = 0; round < 3; round += 1) {
      await advance(2 * leaseMs)
      const look = await log.takeOver({ session, token: 'last', leaseMs })
      if (look.kind === 'idle') return
      const seen = look.kind === 'lapsed' ? { seen: look.deadline } : {}
      const taken = expectKind(await log.takeOver({ session, token: 'last', leaseMs, ...seen }), 'yours')
      const { run } = expectKind(await log.open({ session, limit: 1 }), 'ok')
      const texts = run?.tapes.map((tape) => tape.text.toString()) ?? []
      const type = taken.isCancelled ? 'turn.cancelled' : 'turn.failed'
      const { turn, attempt } = taken
      expectKind(await log.end(ending({ token: 'last', turn, attempt }, texts, type)), 'ok')
    }
  }

  /** A reply to a claim of before, executed late, is no claim of the present token's. */
  #hold(state: ProducerState, token: string, turn: string): void {
    if (state.token !== token) return
    state.turn = turn
    state.seen = undefined
    this.#holder = state
  }

  #at(index: number): ProducerState {
    const state = index === holder ? this.#holder : this.#producers[index]
    if (state === undefined) throw new Error(`there is no producer ${index}`)
    return state
  }

  /** A token is for one claim. */
  #renew(state: ProducerState): void {
    this.#tokens += 1
    Object.assign(state, { token: `k${this.#tokens}`, turn: 'none', attempt: 0, message: undefined })
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }
}

function checkLog(play: Play, entries: readonly LogEntry[]): void {
  const messages = entries.flatMap(({ record }) => (record.type === 'message.added' ? [record] : []))
  const terminals = entries.flatMap(({ record }) => (isTerminal(record) ? [record] : []))
  expect(new Set(messages.map(({ message }) => message.messageId)).size).toBe(messages.length)
  expect(terminals.map(({ turn }) => turn)).toEqual(messages.map(({ turn }) => turn))
  for (const [messageId, turn] of play.acknowledged) {
    expect(messages.find(({ message }) => message.messageId === messageId)?.turn).toBe(turn)
  }
  for (const { turn, type } of terminals) if (play.cancelled.has(turn)) expect(type).toBe('turn.cancelled')
}

/** Each attempt has one opener, and the texts of a turn are its last opener's alone. */
function checkTexts(entries: readonly LogEntry[]): void {
  let opened: { token: string; attempt: number } | undefined
  for (const { record, openedBy, texts } of entries) {
    if (record.type === 'message.added') opened = undefined
    if (record.type === 'turn.started') opened = { token: openedBy ?? '', attempt: record.attempt }
    if (!isTerminal(record)) continue
    expect(record.attempt).toBe(opened?.attempt ?? 0)
    texts?.forEach((text, part) => {
      const source = sourceText(opened?.token ?? '', opened?.attempt ?? 0, part)
      expect(text.toString()).toBe(source.subarray(0, text.length).toString())
    })
  }
}

/** Who heard everything has the log, and from the deltas alone each turn's text. */
function checkHeard(heard: readonly Heard[], entries: readonly LogEntry[]): void {
  let head = { seq: 0, mark: 0 }
  let texts: string[] = []
  for (const event of heard) {
    if (event.kind === 'delta') {
      expect(Buffer.byteLength(texts[event.part] ?? '')).toBe(event.at)
      texts[event.part] = (texts[event.part] ?? '') + event.text
    }
    if (event.kind !== 'record') continue
    expect(event.previous).toEqual(head)
    head = placeOf(event.entry)
    const kept = entries[head.seq - 1]
    expect(event.entry.record).toEqual(kept?.record)
    if (event.entry.record.type === 'turn.started') texts = []
    if (isTerminal(event.entry.record)) expect(texts.filter(Boolean)).toEqual(kept?.texts?.map(String).filter(Boolean))
    if (isTerminal(event.entry.record)) texts = []
  }
  expect(head.seq).toBe(entries.length)
}

export function describeModel(makeLog: MakeLog): void {
  test('[STORE-70] whatever producers do, repeat and do late, every message has one turn, one end and one text', {
    timeout: 120_000,
  }, async () => {
    const total = new Map<string, number>()
    const property = fc.asyncProperty(
      fc.array(repeated, { minLength: 40, maxLength: 120, size: 'max' }),
      async (steps) => {
        const made = await makeLog()
        await makeSession(made)
        const ear = await listen(made)
        const play = new Play(made)
        for (const { step, times } of steps) await play.run(step, times)
        await play.settle()
        const entries = await history(made.log)
        checkLog(play, entries)
        checkTexts(entries)
        checkHeard(await ear.all(), entries)
        for (const [what, count] of play.counts) total.set(what, (total.get(what) ?? 0) + count)
      },
    )
    await fc.assert(property, { numRuns: 150 })
    const never = expectedReplies.filter((reply) => !total.has(reply))
    expect(never, `never seen, so nothing is proven of it: ${JSON.stringify([...total])}`).toEqual([])
  })
}

/** What a run must have met to mean anything. */
const expectedReplies = [
  'accept yours',
  'accept repeat',
  'accept busy',
  'append ok',
  'append stale',
  'append attempt',
  'append cancel',
  'open ok',
  'open attempt',
  'open stale',
  'end ok',
  'end ended',
  'end behind',
  'end cancel',
  'end stale',
  'take yours',
  'take lapsed',
  'take held',
  'take idle',
  'cancel cancelling',
  'cancel ended',
]
