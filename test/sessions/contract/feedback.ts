import { expect, test } from 'vitest'
import { feedbackPerTurnMax } from '../../../sessions/feedback.ts'
import type { FeedbackRequest } from '../../../sessions/session-log.ts'
import {
  answerTurn,
  asking,
  ending,
  expectKind,
  type MakeLog,
  makeSession,
  session,
  startTurn,
  types,
} from './bench.ts'

/** What users say of answers, and how a turn's beginning is found for it. */
export function describeFeedback(makeLog: MakeLog): void {
  test('[STORE-167] a turn takes 16 feedback records; then its last one stays, and other turns take theirs', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await answerTurn(log, 1, 'one')
    await answerTurn(log, 2, 'two')
    for (let n = 1; n <= feedbackPerTurnMax; n += 1)
      expectKind(await log.addFeedback(rating('turn-1', n, n % 2 === 0 ? 1 : -1)), 'ok')
    const before = await types(log)
    expect(await log.addFeedback(rating('turn-1', 100, 0))).toEqual({ kind: 'too-many', limit: feedbackPerTurnMax })
    expect(await types(log)).toEqual(before)
    expectKind(await log.addFeedback(rating('turn-1', 1, -1)), 'ok')
    expectKind(await log.addFeedback(rating('turn-2', 100, 0)), 'ok')
  })

  test('[STORE-167] what the last feedback of a turn says already adds no record, what an earlier one said does', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    await startTurn(log, 1, 'one')
    const first = expectKind(await log.addFeedback(rating('turn-1', 5, 1)), 'ok')
    expect(await log.addFeedback(rating('turn-1', 6, 1))).toEqual(first)
    expect(first.timeMs).toBe(5)
    const second = expectKind(await log.addFeedback(rating('turn-1', 7, -1)), 'ok')
    const third = expectKind(await log.addFeedback(rating('turn-1', 8, 1)), 'ok')
    expect([second.entry.seq, third.entry.seq]).toEqual([first.entry.seq + 1, first.entry.seq + 2])
    // The very same call of before, executed late.
    expect(await log.addFeedback(rating('turn-1', 7, -1))).toEqual(second)
  })

  test('[STORE-170] the record that opened a turn’s last attempt is found, however long ago that was', async () => {
    const made = await makeLog()
    const { log } = made
    await makeSession(made)
    expect(await log.opening({ session, turn: 'turn-1' })).toEqual({ kind: 'unknown' })
    expectKind(await log.accept(asking(1)), 'yours')
    expect(await log.opening({ session, turn: 'turn-1' })).toEqual({ kind: 'ok' })
    await log.end(ending({ token: 'token-1', turn: 'turn-1', attempt: 0 }, []))
    for (let n = 2; n <= 80; n += 1) await answerTurn(log, n, 'text')
    const { record } = expectKind(await log.opening({ session, turn: 'turn-2' }), 'ok')
    expect(record).toMatchObject({ type: 'turn.started', turn: 'turn-2', attempt: 1 })
    expect(await log.opening({ session, turn: 'turn-1' })).toEqual({ kind: 'ok' })
    await log.erase(session)
    expect(await log.opening({ session, turn: 'turn-2' })).toEqual({ kind: 'gone' })
  })
}

function rating(turn: string, timeMs: number, of: -1 | 0 | 1): FeedbackRequest {
  return { session, record: { type: 'feedback.added', timeMs, turn, rating: of } }
}
