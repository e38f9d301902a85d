/** A producer whose store, clock and provider are moved by the test alone, one answer at a time. */
import type { Backlog } from '../../orchestrator/backlog.ts'
import type { Fence, StopReason, TurnLog } from '../../orchestrator/ports.ts'
import { type Producer, startProducer } from '../../orchestrator/producer.ts'
import type { ClaimReply } from '../../orchestrator/turn-state.ts'

type Reply<Operation extends 'append' | 'end' | 'read'> = Awaited<ReturnType<TurnLog[Operation]>>

/** An operation in flight. `at` and `end` are offsets of the text that an append carries. */
export type Flight =
  | {
      readonly type: 'append'
      readonly fence: Fence
      readonly at: number
      readonly end: number
      readonly answer: (reply: Reply<'append'>) => void
      readonly lose: (error: Error) => void
    }
  | { readonly type: 'end'; readonly answer: (reply: Reply<'end'>) => void; readonly lose: (error: Error) => void }
  | { readonly type: 'read'; readonly answer: (reply: Reply<'read'>) => void; readonly lose: (error: Error) => void }
  | { readonly type: 'claim'; readonly answer: (reply: ClaimReply) => void; readonly lose: (error: Error) => void }

export interface ScriptedTurn {
  readonly producer: Producer
  /** Undefined: nothing was asked, or it was answered. */
  flight(): Flight | undefined
  nudge(): void
  /** Goes on to the next timer, and says whether there was one. */
  tick(): boolean
  pass(ms: number): void
  /** Whoever is shown text throws from now on. */
  breakAudience(): void
  stopReason(): StopReason | undefined
  isGone(): boolean
}

export function scriptTurn(backlog: Backlog, keptBytes = 0): ScriptedTurn {
  let flight: Flight | undefined
  let nudge: () => void = quiet
  let isAudienceBroken = false
  let stopReason: StopReason | undefined
  let isGone = false
  let nowMs = 0
  const timers = new Map<() => void, number>()
  const fly = <R>(make: (answer: (reply: R) => void, lose: (error: Error) => void) => Flight): Promise<R> => {
    const { promise, resolve, reject } = Promise.withResolvers<R>()
    const landed = <Answer>(tell: (answer: Answer) => void) => {
      return (answer: Answer) => {
        if (flight === mine) flight = undefined
        tell(answer)
      }
    }
    const mine = make(landed(resolve), landed(reject))
    flight = mine
    return promise
  }
  const kept = Buffer.alloc(keptBytes, 'k')
  const producer = startProducer(
    {
      session: 's',
      turn: 't',
      token: 'k',
      start:
        keptBytes === 0 ? { from: 'accepted', foreignAttempt: 0 } : { from: 'taken', foreignAttempt: 1, keptBytes },
      ...(keptBytes > 0 && { kept }),
      repeat: () => fly((answer, lose) => ({ type: 'claim', answer, lose })),
    },
    {
      model: 'm',
      tapeBytes: 400,
      leaseMs: 5_000,
      renewMs: 1_500,
      totalMs: 60_000,
      graceMs: 30_000,
    },
    {
      backlog,
      log: {
        append: ({ fence, at, text }) =>
          fly((answer, lose) => ({ type: 'append', fence, at, end: at + text.length, answer, lose })),
        end: () => fly((answer, lose) => ({ type: 'end', answer, lose })),
        read: () => fly((answer, lose) => ({ type: 'read', answer, lose })),
        subscribe(_session, listener) {
          nudge = () => listener.nudge('renew')
          return { hearDeltas: quiet, close: quiet }
        },
      },
      audience: {
        delivered() {
          if (isAudienceBroken) throw new Error('a bug')
        },
        started: quiet,
        stopped: quiet,
      },
      telemetry: {
        turnAccepted: quiet,
        turnRefused: quiet,
        callMade: quiet,
        callPassed: quiet,
        callEnded: quiet,
        firstContent: quiet,
        redacted: quiet,
        budgetRefused: quiet,
        filtered: quiet,
        cacheAsked: quiet,
        firstToken: quiet,
        tokenGap: quiet,
        turnEnded: quiet,
        operationRepeated: quiet,
        attemptOpened: quiet,
        takenOver: quiet,
        stopped: (reason) => {
          stopReason = reason
        },
      },
      logger: { info: quiet, warn: quiet, error: quiet },
      clock: {
        nowMs: () => nowMs,
        monotonicMs: () => nowMs,
        after(delayMs, run) {
          timers.set(run, nowMs + delayMs)
          return () => timers.delete(run)
        },
      },
    },
    () => ({ usage: { inputTokens: 0, outputTokens: 0, source: 'unknown' } }),
  )
  void producer.gone.then(() => {
    isGone = true
  })
  const fire = (untilMs: number) => {
    const due = [...timers].filter(([, atMs]) => atMs <= untilMs).sort(([, a], [, b]) => a - b)[0]
    if (due === undefined) return false
    const [run, atMs] = due
    timers.delete(run)
    nowMs = Math.max(nowMs, atMs)
    run()
    return true
  }
  return {
    producer,
    flight: () => flight,
    nudge: () => nudge(),
    tick: () => fire(Number.POSITIVE_INFINITY),
    pass(ms) {
      const untilMs = nowMs + ms
      // A timer that is due again and again would hold a node's event loop for ever.
      for (let count = 0; fire(untilMs); count++) if (count > 1_000) throw new Error('the timers never rest')
      nowMs = untilMs
    },
    breakAudience() {
      isAudienceBroken = true
    },
    stopReason: () => stopReason,
    isGone: () => isGone,
  }
}

function quiet(): void {
  // Not what the test looks at.
}
