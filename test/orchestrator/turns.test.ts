import { describe, expect, it } from 'vitest'
import { answerFor } from '../../load/model-server/answer.ts'
import type { ScriptOptions } from '../../load/model-server/settings.ts'
import type { TurnLog } from '../../orchestrator/ports.ts'
import type { SendReply } from '../../orchestrator/turns.ts'
import { writtenRecords } from '../../orchestrator/written-records.ts'
import type { LogRecord, RecordOf } from '../../protocol/record.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { type Bench, shown, startBench } from './bench.ts'

function accepted(reply: SendReply): Extract<SendReply, { kind: 'accepted' }> {
  if (reply.kind !== 'accepted') throw new Error(`refused: ${reply.refusal.kind} ${reply.refusal.message}`)
  return reply
}

async function finalText(bench: Bench, session: string): Promise<string> {
  return (await bench.history(session)).at(-1)?.texts?.[0]?.toString() ?? ''
}

function whole(bench: Bench, options: ScriptOptions = {}): string {
  const chat = bench.model.requests[0]?.chat
  if (chat === undefined) throw new Error('the model was not asked')
  return answerFor(chat, options).text
}

const isStarted = (record: LogRecord): record is RecordOf<'turn.started'> => record.type === 'turn.started'

/** Long enough that only a nudge can tell in time. */
const slowRenewal = { leaseMs: 180_000, renewMs: 60_000 }

describe('a turn', () => {
  it('[TURN-1] is accepted, called, appended and ended with the whole answer', async () => {
    await using bench = await startBench()
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'What is a tape?')))
    const terminal = await bench.terminal(session, turn)
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'stop', usage: { source: 'exact' } })
    expect(await finalText(bench, session)).toBe(whole(bench))
    expect(shown(bench.delivered, turn)).toBe(whole(bench))
    const entries = await bench.history(session)
    expect(entries.map((entry) => entry.record.type)).toEqual(['message.added', 'turn.started', 'turn.completed'])
    expect(bench.stopped).toEqual([session])
    expect(bench.turns.running()).toBe(0)
  })

  it('[TURN-17] moves every figure of its telemetry and tells no text', async () => {
    await using bench = await startBench()
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Unmistakable words')))
    await bench.terminal(session, turn)
    const names = new Set(bench.metrics.map(([name]) => name))
    expect([...names].sort()).toEqual([
      'attemptOpened',
      'callEnded',
      'callMade',
      'firstContent',
      'firstToken',
      'stopped',
      'tokenGap',
      'turnAccepted',
      'turnEnded',
    ])
    expect(bench.metrics.find(([name]) => name === 'turnEnded')?.[1]).toMatchObject({
      kind: 'completed',
      finishReason: 'stop',
    })
    expect(JSON.stringify([bench.metrics, bench.logs])).not.toContain('Unmistakable')
  })

  it('[TURN-18] is one turn however often its message is sent', async () => {
    await using bench = await startBench()
    const session = await bench.session()
    const request = bench.request(session, 'Twice?', { metadata: { a: 1, b: 2 } })
    const [first, second] = await Promise.all([bench.turns.send(request), bench.turns.send(request)])
    const again = await bench.turns.send({ ...request, metadata: { b: 2, a: 1 } })
    expect([first, second, again]).toMatchObject([{ isRepeat: false }, { isRepeat: true }, { isRepeat: true }])
    const { turn, seq } = accepted(first)
    expect([second, again]).toMatchObject([
      { turn, seq },
      { turn, seq },
    ])
    await bench.terminal(session, turn)
    expect(bench.model.requests.length).toBe(1)
    const other = await bench.turns.send({ ...request, content: 'Other?' })
    expect(other).toMatchObject({ kind: 'refused', refusal: { kind: 'conflict' } })
  })

  it('[TURN-19] refuses a second message while one is answered, and an unknown session', async () => {
    await using bench = await startBench({ model: { fault: 'stall-mid' } })
    const session = await bench.session()
    accepted(await bench.turns.send(bench.request(session, 'First')))
    const busy = await bench.turns.send(bench.request(session, 'Second'))
    expect(busy).toMatchObject({ kind: 'refused', refusal: { kind: 'busy', retryable: true } })
    const none = await bench.turns.send(bench.request('nowhere', 'Hello'))
    expect(none).toMatchObject({ kind: 'refused', refusal: { kind: 'not-found' } })
  })

  it('[TURN-9] a cancel closes the provider’s connection and keeps the partial text', async () => {
    await using bench = await startBench({ model: { fault: 'stall-mid', tokenCount: 40 } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Write much')))
    await bench.model.waitFor((request) => request.sentTokenCount === 20)
    await untilShown(bench, turn, bench.model.requests[0]?.sentText ?? '')
    await bench.log.cancel({ session, turn })
    const terminal = await bench.terminal(session, turn)
    expect(terminal).toMatchObject({
      type: 'turn.cancelled',
      finishReason: 'cancelled',
      usage: { source: 'bound' },
    })
    const request = await bench.model.waitFor(({ status }) => status === 'closed-by-client')
    expect(await finalText(bench, session)).toBe(request.sentText)
  })

  it('[TURN-9] a cancel before the provider’s first byte ends the turn without text', async () => {
    await using bench = await startBench({ model: { fault: 'stall-before' } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Write much')))
    await bench.record(session, isStarted)
    await bench.model.waitFor(() => true)
    await bench.log.cancel({ session, turn })
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.cancelled', bytes: 0, attempt: 1 })
    await bench.model.waitFor(({ status }) => status === 'closed-by-client')
  })

  it('[TURN-9] a cancel right behind the acceptance is not missed', async () => {
    await using bench = await startBench({ model: { fault: 'stall-before' } })
    const session = await bench.session()
    const request = bench.request(session, 'Never mind')
    const { turn } = accepted(await bench.turns.send(request))
    await bench.log.cancel({ session, turn })
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.cancelled', bytes: 0 })
    expect(bench.metrics.some(([name]) => name === 'firstToken')).toBe(false)
  })

  it('[TURN-9] a cancel before the subscription was confirmed is found when it is', async () => {
    let subscribe: () => void = () => undefined
    const between = (log: SessionLog): TurnLog => ({
      ...log,
      subscribe(session, listener) {
        subscribe = () => void log.subscribe(session, listener)
        return { hearDeltas: () => undefined, close: () => undefined }
      },
    })
    await using bench = await startBench({ between, turns: slowRenewal, model: { fault: 'stall-mid' } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Never mind')))
    await bench.record(session, isStarted)
    await bench.log.cancel({ session, turn })
    subscribe()
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.cancelled' })
  })

  it('[TURN-9] a lost subscription is asked for again', async () => {
    const subscribed = Promise.withResolvers<void>()
    let count = 0
    const between = (log: SessionLog): TurnLog => ({
      ...log,
      subscribe(session, listener) {
        if (++count > 1) {
          const confirmed = () => {
            listener.confirmed()
            subscribed.resolve()
          }
          return log.subscribe(session, { ...listener, confirmed })
        }
        queueMicrotask(() => listener.lost())
        return { hearDeltas: () => undefined, close: () => undefined }
      },
    })
    await using bench = await startBench({ between, turns: slowRenewal, model: { fault: 'stall-mid' } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Never mind')))
    await subscribed.promise
    await bench.log.cancel({ session, turn })
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.cancelled' })
  })

  it('[TURN-15] an answer that ends in half a character ends in U+FFFD', async () => {
    await using bench = await startBench({
      policy: (policy) => ({ ...policy, limits: { ...policy.limits, answerTokens: 6 } }),
    })
    const session = await bench.session()
    const model = 'sluice-demo?fault=split-surrogate&at=5&tokens=40'
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Cut', { model })))
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.completed', finishReason: 'length' })
    const text = await finalText(bench, session)
    expect(text).toBe(whole(bench).toWellFormed())
    expect(text.endsWith('\ufffd')).toBe(true)
  })

  it('[TURN-20] an erased session closes the provider', async () => {
    await using bench = await startBench({ model: { fault: 'stall-mid' } })
    const session = await bench.session()
    accepted(await bench.turns.send(bench.request(session, 'Write much')))
    await bench.model.waitFor((request) => request.sentTokenCount > 0)
    await bench.log.erase(session)
    await bench.model.waitFor(({ status }) => status === 'closed-by-client')
    expect(bench.metrics.at(-1)).toEqual(['stopped', 'gone'])
    expect(bench.stopped).toEqual([session])
  })

  it('[TURN-21] ends with finishReason length when the tape is full', async () => {
    await using bench = await startBench({ turns: { tapeBytes: 100 } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Write much')))
    const terminal = await bench.terminal(session, turn)
    expect(terminal).toMatchObject({ type: 'turn.completed', finishReason: 'length' })
    const text = await finalText(bench, session)
    expect(whole(bench).startsWith(text)).toBe(true)
    expect(Buffer.byteLength(text)).toBeGreaterThan(96)
  })

  it('[TURN-22] a bug in a turn fails that turn as internal, closes its provider and harms no other', async () => {
    let isBroken = true
    const delivered = () => {
      if (isBroken) throw new Error('Unmistakable')
    }
    await using bench = await startBench({ audience: { delivered }, model: { tokensPerSecond: 100, tokenCount: 300 } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Break')))
    const terminal = await bench.terminal(session, turn)
    expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'internal' } })
    await bench.model.waitFor(({ status }) => status === 'closed-by-client')
    expect(JSON.stringify(bench.logs)).not.toContain('Unmistakable')
    isBroken = false
    const next = accepted(await bench.turns.send(bench.request(session, 'Again', { model: 'sluice-demo?tps=0' })))
    expect(await bench.terminal(session, next.turn)).toMatchObject({ type: 'turn.completed' })
  })

  it('[TURN-23] a drain lets turns end, and ends the rest as unavailable with their text', async () => {
    await using bench = await startBench({ model: { fault: 'stall-mid', tokenCount: 40 } })
    const session = await bench.session()
    const { turn } = accepted(await bench.turns.send(bench.request(session, 'Write much')))
    await bench.model.waitFor((request) => request.sentTokenCount === 20)
    await untilShown(bench, turn, bench.model.requests[0]?.sentText ?? '')
    await bench.turns.drain(50)
    expect(bench.turns.running()).toBe(0)
    const terminal = await bench.terminal(session, turn)
    expect(terminal).toMatchObject({ type: 'turn.failed', error: { kind: 'unavailable', retryable: true } })
    expect(terminal.bytes).toBeGreaterThan(0)
    const late = await bench.turns.send(bench.request(session, 'More'))
    expect(late).toMatchObject({ kind: 'refused', refusal: { kind: 'unavailable' } })
  })
})

/** Resolves once the watchers here were shown this text. */
async function untilShown(bench: Bench, turn: string, text: string, deadlineMs = 5_000): Promise<void> {
  const endMs = performance.now() + deadlineMs
  while (shown(bench.delivered, turn) !== text) {
    if (performance.now() > endMs) throw new Error(`shown: ${shown(bench.delivered, turn)}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

type Operation = 'append' | 'end'

/** Loses requests and replies, and repeats what was done long ago, by a seed. The first of each operation always fails. */
function faulty(log: SessionLog, seed: number, counts: Map<string, number>): TurnLog {
  let state = seed
  const chance = (share: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 < share
  }
  const count = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1)
  const begun = new Set<Operation>()
  let appends = 0
  const old: (() => Promise<unknown>)[] = []
  const wrap =
    <Q, R>(name: Operation, operate: (request: Q) => Promise<R>) =>
    async (request: Q): Promise<R> => {
      const run = () => operate(request)
      const isFirst = !begun.has(name)
      begun.add(name)
      old.push(run)
      if (chance(0.15)) {
        count('late')
        await old[state % old.length]?.()
      }
      if (chance(0.15) || (isFirst && seed % 2 === 0)) {
        count(`${name} lost`)
        throw new Error('the store is away')
      }
      const reply = await run()
      if (chance(0.15) || isFirst) {
        count(`${name} reply lost`)
        throw new Error('the store is away')
      }
      return reply
    }
  return {
    describe: (session) => log.describe(session),
    takeOver: (request) => log.takeOver(request),
    page: (request) => log.page(request),
    read: (request) => log.read(request),
    lapsed: () => log.lapsed(),
    breaks: () => log.breaks(),
    subscribe: (session, listener) => log.subscribe(session, listener),
    async accept(request) {
      const reply = await log.accept(request)
      if (counts.get(`accept reply lost, seed ${seed}`) !== undefined) return reply
      count(`accept reply lost, seed ${seed}`)
      throw new Error('the store is away')
    },
    append: wrap('append', async (request: Parameters<TurnLog['append']>[0]) => {
      if (++appends !== 2 && !chance(0.05)) return log.append(request)
      count('stale')
      return { kind: 'stale' } as const
    }),
    end: wrap('end', (request: Parameters<TurnLog['end']>[0]) => log.end(request)),
  }
}

describe('the records of a turn', () => {
  it('[TURN-30] are the same when they are written again, so that a store that was rolled back gives the same marks', () => {
    let nowMs = 5
    const records = writtenRecords('turn', { model: 'model' }, () => nowMs++)
    const sums = { bytes: 0, sha1: 'a', sha256: 'b' }
    const usage = { inputTokens: 1, outputTokens: 2, source: 'exact' } as const
    const write = () => [
      records.opening(1, undefined, ''),
      records.opening(2, { attempt: 1, end: 3 }, 'lost'),
      records.terminal(2, { kind: 'completed', finishReason: 'stop' }, sums, { usage }),
    ]
    const first = write()
    expect(write()).toEqual(first)
    expect(first.map(({ type, timeMs }) => [type, timeMs])).toEqual([
      ['turn.started', 5],
      ['turn.restarted', 6],
      ['turn.completed', 7],
    ])
  })
})

describe('a turn over a store that loses, repeats and delays', () => {
  it('[TURN-24] ends with exactly the provider’s text, shown once and in order', async () => {
    const counts = new Map<string, number>()
    for (let seed = 1; seed <= 20; seed++) {
      await using bench = await startBench({
        between: (log) => faulty(log, seed, counts),
        model: { tokensPerSecond: 2_000, tokenCount: 60 },
      })
      const session = await bench.session()
      const { turn } = accepted(await bench.turns.send(bench.request(session, `Question ${seed}`)))
      expect(await bench.terminal(session, turn), `seed ${seed}`).toMatchObject({ type: 'turn.completed' })
      expect(await finalText(bench, session), `seed ${seed}`).toBe(whole(bench, { tokenCount: 60 }))
      expect(whole(bench, { tokenCount: 60 }).startsWith(shown(bench.delivered, turn)), `seed ${seed}`).toBe(true)
    }
    for (const name of ['late', 'stale', 'append lost', 'append reply lost', 'end lost', 'end reply lost'])
      expect(counts.get(name) ?? 0, name).toBeGreaterThan(0)
  })

  it('[TURN-24] ends cancelled with a beginning of the provider’s text when it is cancelled meanwhile', async () => {
    const counts = new Map<string, number>()
    for (let seed = 101; seed <= 112; seed++) {
      await using bench = await startBench({
        between: (log) => faulty(log, seed, counts),
        model: { tokensPerSecond: 1_000, tokenCount: 100_000 },
      })
      const session = await bench.session()
      const { turn } = accepted(await bench.turns.send(bench.request(session, `Question ${seed}`)))
      await bench.model.waitFor((request) => request.sentTokenCount > seed - 100)
      await bench.log.cancel({ session, turn })
      expect(await bench.terminal(session, turn), `seed ${seed}`).toMatchObject({ type: 'turn.cancelled' })
      const { sentText } = await bench.model.waitFor(({ status }) => status === 'closed-by-client')
      const text = await finalText(bench, session)
      expect(sentText.startsWith(text), `seed ${seed}`).toBe(true)
      expect(text.startsWith(shown(bench.delivered, turn)), `seed ${seed}`).toBe(true)
    }
    for (const name of ['append lost', 'append reply lost', 'stale'])
      expect(counts.get(name) ?? 0, name).toBeGreaterThan(0)
  })

  it('[TURN-25] takes over a turn whose producer died, after its lease and a grace, and answers it anew', async () => {
    let nowMs = 1_000_000
    const log = createMemoryLog({ now: () => nowMs })
    await using bench = await startBench({ log })
    const session = await bench.session()
    const turn = 'orphan'
    const message = { messageId: 'lost', content: 'Still there?' }
    const record = { type: 'message.added', timeMs: 1, turn, message } as const
    await log.accept({ session, messageId: 'lost', hash: 'h', turn, token: 'dead', leaseMs: 5_000, record })
    const fence = { token: 'dead', turn, attempt: 1 }
    const open = { type: 'turn.started', timeMs: 1, turn, attempt: 1, model: 'm' } as const
    await log.append({
      session,
      fence,
      part: 0,
      at: 0,
      text: Buffer.from('half an ans'),
      open,
      leaseMs: 0,
      maxBytes: 100,
    })
    nowMs += 6_000
    const busy = await bench.turns.send(bench.request(session, 'Next'))
    expect(busy).toMatchObject({ kind: 'refused', refusal: { kind: 'busy' } })
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.completed', attempt: 2 })
    expect(await finalText(bench, session)).toBe(whole(bench))
    expect(JSON.stringify(bench.model.requests[0]?.chat?.messages)).toContain('Still there?')
    const types = (await bench.history(session)).map((entry) => entry.record.type)
    expect(types).toEqual(['message.added', 'turn.started', 'turn.restarted', 'turn.completed'])
  })

  it('[TURN-31] an orphan that somebody only met is taken over too', async () => {
    let nowMs = 1_000_000
    const log = createMemoryLog({ now: () => nowMs })
    await using bench = await startBench({ log })
    const session = await bench.session()
    const turn = 'orphan'
    const record = { type: 'message.added', timeMs: 1, turn, message: { messageId: 'lost', content: 'Hi' } } as const
    await log.accept({ session, messageId: 'lost', hash: 'h', turn, token: 'dead', leaseMs: 5_000, record })
    nowMs += 6_000
    bench.turns.suspect(session, turn)
    expect(await bench.terminal(session, turn)).toMatchObject({ type: 'turn.completed' })
  })

  it('[TURN-25] ends a cancelled orphan with the text that it reads', async () => {
    let nowMs = 1_000_000
    const log = createMemoryLog({ now: () => nowMs })
    await using bench = await startBench({ log })
    const session = await bench.session()
    const turn = 'orphan'
    const record = { type: 'message.added', timeMs: 1, turn, message: { messageId: 'lost', content: 'Hi' } } as const
    await log.accept({ session, messageId: 'lost', hash: 'h', turn, token: 'dead', leaseMs: 5_000, record })
    const open = { type: 'turn.started', timeMs: 1, turn, attempt: 1, model: 'm' } as const
    const fence = { token: 'dead', turn, attempt: 1 }
    const text = Buffer.from('wörds '.repeat(20_000))
    for (let at = 0; at < text.length; at += 60_000)
      await log.append({
        session,
        fence,
        part: 0,
        at,
        text: text.subarray(at, at + 60_000),
        open,
        leaseMs: 0,
        maxBytes: 2 ** 20,
      })
    await log.cancel({ session, turn })
    nowMs += 6_000
    await bench.turns.send(bench.request(session, 'Next'))
    expect(await bench.terminal(session, turn)).toMatchObject({
      type: 'turn.cancelled',
      attempt: 1,
      bytes: text.length,
    })
    expect(await finalText(bench, session)).toBe(text.toString())
    expect(bench.model.requests.length).toBe(0)
  })
})
