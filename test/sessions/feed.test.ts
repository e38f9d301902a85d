import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Feed } from '../../sessions/feed.ts'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { Fate } from '../support/lossy-log.ts'
import { tooLong } from '../support/mini-reader.ts'
import { ScriptedTurn } from '../support/scripted-turn.ts'
import {
  answerPings,
  createSession,
  FeedStage,
  PlainWatcher,
  session,
  sessionTtlMs,
  textOf,
  turnsOf,
  type Watching,
} from './feed-stage.ts'

describe('reading', () => {
  test('[FEED-1] a feed that misses nothing reads the store once, whoever produces and however many watch', async () => {
    const stage = await FeedStage.started()
    const readers = [stage.reader(), stage.reader()]
    await Promise.all(readers.map((watching) => stage.open(watching)))
    for (const name of ['own', 'foreign', 'own again']) {
      const turn = await stage.turn(name.replace(' ', '-'))
      for (let n = 0; n < 20; n++) {
        if (name === 'foreign') await turn.write(`${n} 🙂 `)
        else await stage.writeOwn(turn, `${n} 🙂 `)
      }
      if (name === 'foreign') await turn.end()
      else await stage.endOwn(turn)
      for (const { reader } of readers) expect(reader.finished.get(turn.turn)).toBe(turn.text)
    }
    expect(stage.lossy.readCount).toBe(1)
    expect(stage.timers.count).toBe(0)
  })

  test('[FEED-2] nothing is read before the subscription is confirmed, so nothing is missed between the two', async () => {
    const stage = await FeedStage.started()
    stage.lossy.isAway = true
    const watching = stage.watch()
    await stage.settle()
    expect(stage.lossy.readCount).toBe(0)
    const turn = await stage.turn('t1')
    await turn.write('before')
    stage.lossy.comeBack()
    const { feed } = await watching
    expect(textOf(feed)).toBe('before')
    await turn.write(' and after')
    expect(textOf(feed)).toBe('before and after')
    expect(stage.lossy.readCount).toBe(1)
  })

  test('[FEED-2] a long text is read in pieces, and shown when it is whole', async () => {
    const stage = await FeedStage.started()
    const turn = await stage.turn('t1')
    for (let n = 0; n < 5; n++) await turn.write(`${n}${'é'.repeat(25_000)}`)
    const { feed } = await stage.watch()
    expect(textOf(feed)).toBe(turn.text)
    expect(stage.lossy.readCount).toBe(4)
  })

  test('[FEED-3] a read that was asked under an earlier subscription does not count', async () => {
    const stage = await FeedStage.started()
    stage.lossy.reading = 'late'
    const watching = stage.watch()
    await stage.settle()
    expect(stage.lossy.unansweredCount).toBe(1)
    stage.lossy.isAway = true
    stage.lossy.breakLines()
    stage.lossy.answerReads()
    await stage.settle()
    const turn = await stage.turn('t1')
    await turn.write('while nobody heard')
    stage.lossy.reading = 'now'
    stage.timers.pass()
    stage.lossy.comeBack()
    const { feed } = await watching
    await stage.settle()
    expect(textOf(feed)).toBe('while nobody heard')
    expect(stage.lossy.readCount).toBe(2)
  })

  test('[FEED-3] an earlier read that is answered after the new subscription was confirmed does not count', async () => {
    const stage = await FeedStage.started()
    stage.lossy.reading = 'late'
    const watching = stage.watch()
    await stage.settle()
    stage.lossy.breakLines()
    const turn = await stage.turn('t1')
    await turn.write('unheard')
    stage.timers.pass()
    await stage.settle()
    expect(stage.lossy.unansweredCount).toBe(2)
    stage.lossy.answerReads()
    const { feed } = await watching
    await stage.settle()
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['unheard', 2])
  })

  test.each(['delta', 'record', 'delivered'] as const)(
    '[FEED-4] a %s that is published while a read is under way is not lost with its answer',
    async (what) => {
      const stage = await FeedStage.started()
      const turn = await stage.turn('t1')
      await turn.write('one')
      stage.lossy.reading = 'late'
      const watching = stage.watch()
      await stage.settle()
      if (what === 'delta') await turn.write(' two')
      else if (what === 'record') await turn.end()
      else {
        stage.lossy.fate = () => 'lose'
        await stage.writeOwn(turn, ' two')
      }
      stage.lossy.reading = 'now'
      stage.lossy.answerReads()
      const { feed } = await watching
      await stage.settle()
      expect(textOf(feed)).toBe(what === 'record' ? undefined : 'one two')
      expect(feed.head.seq).toBe(what === 'record' ? 3 : 2)
      expect(stage.lossy.readCount).toBe(2)
    },
  )

  test('[FEED-4] a wish to read that comes while a read is under way is not met by its answer', async () => {
    const stage = await FeedStage.started()
    const turn = await stage.turn('t1')
    const { feed } = await stage.watch()
    stage.lossy.reading = 'late'
    await feedRead(stage, feed)
    stage.lossy.fate = () => 'lose'
    await turn.write('unheard')
    stage.feeds.producerStopped(session, turn.token, false)
    stage.lossy.reading = 'now'
    stage.lossy.answerReads()
    await stage.settle()
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['unheard', 3])
  })

  test('[FEED-4] a delta of an attempt whose end is in the answer is not waited for', async () => {
    const stage = await FeedStage.started()
    const turn = await stage.turn('t1')
    const { feed } = await stage.watch()
    stage.lossy.fate = () => 'hold'
    await turn.write('text')
    await turn.end()
    stage.lossy.reading = 'late'
    await feedRead(stage, feed)
    stage.lossy.release()
    stage.lossy.reading = 'now'
    stage.lossy.answerReads()
    await stage.settle()
    expect([feed.head.seq, feed.run, stage.lossy.readCount]).toEqual([3, undefined, 2])
  })

  test('[FEED-4] what was published while reading and is in the answer is not read again', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await turn.write('one')
    stage.lossy.fate = () => 'lose'
    await turn.write(' two')
    stage.lossy.fate = () => 'hold'
    await turn.write(' three')
    await turn.write(' four')
    stage.lossy.reading = 'late'
    stage.lossy.fate = () => 'pass'
    stage.lossy.release()
    await stage.settle()
    stage.lossy.answerReads()
    await stage.settle()
    expect(textOf(feed)).toBe('one two three four')
    expect(stage.lossy.readCount).toBe(2)
  })

  test('[FEED-5] a store that does not answer is asked again later, in bounded number, until it does', async () => {
    const stage = await FeedStage.started()
    const turn = await stage.turn('t1')
    await turn.write('all of it')
    stage.lossy.reading = 'fail'
    const { feed, watcher } = await stage.watch()
    for (let n = 0; n < 10; n++) {
      stage.timers.pass()
      await stage.settle()
    }
    expect(stage.lossy.readCount).toBe(11)
    expect(stage.timers.count).toBe(1)
    stage.lossy.reading = 'now'
    const before = watcher.movedCount
    stage.timers.pass()
    await stage.settle()
    expect(textOf(feed)).toBe('all of it')
    expect(watcher.movedCount).toBeGreaterThan(before)
    expect(stage.timers.count).toBe(0)
  })

  test('[FEED-6] a subscription that was lost is made again, and what was missed meanwhile is read', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await stage.writeOwn(turn, 'heard')
    stage.lossy.breakLines()
    await stage.writeOwn(turn, ' missed')
    expect(textOf(feed)).toBe('heard')
    stage.timers.pass()
    await stage.settle()
    expect(textOf(feed)).toBe('heard missed')
    await stage.writeOwn(turn, ' own')
    await turn.write(' echo of nothing')
    expect(textOf(feed)).toBe('heard missed own')
    expect([stage.lossy.lineCount, stage.timers.count]).toEqual([1, 0])
  })

  test('[FEED-6] who begins to watch while there is no subscription does not wait for ever', async () => {
    const stage = await FeedStage.started()
    stage.lossy.isAway = true
    const watching = stage.watch()
    await stage.settle()
    stage.timers.pass()
    const { feed, watcher } = await watching
    expect(feed.head.seq).toBe(-1)
    const turn = await stage.turn('t1')
    stage.lossy.comeBack()
    await stage.settle()
    await turn.write('live')
    expect(textOf(feed)).toBe('live')
    expect(watcher.movedCount).toBeGreaterThan(0)
  })
})

describe('what does not fit', () => {
  test('[FEED-7] a lost record is found by the next one, a lost delta by the next delta or record', async () => {
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    const turn = await stage.turn('t1')
    await turn.write('one')
    const lost = async (act: () => Promise<unknown>) => {
      stage.lossy.fate = () => 'lose'
      await act()
      stage.lossy.fate = () => 'pass'
    }
    await lost(() => turn.write(' two'))
    await turn.write(' three')
    await stage.settle()
    expect(watching.reader.text).toBe('one two three')
    await lost(() => turn.open(3))
    await turn.write(' other')
    await stage.settle()
    expect(watching.reader.text).toBe('one other')
    await lost(() => turn.write(' last'))
    await turn.end()
    await stage.settle()
    expect(watching.reader.finished.get('t1')).toBe('one other last')
    await lost(async () => (await stage.turn('t2')).end())
    const third = await ScriptedTurn.accepted(stage.store, session, 't3')
    await stage.settle()
    await third.open()
    await third.end()
    expect([...watching.reader.finished.keys()]).toEqual(['t1', 't2', 't3'])
    expect(watching.reader.resets).toBe(0)
    // One for the feed, one for each loss.
    expect(stage.lossy.readCount).toBe(5)
  })

  test('[FEED-7] more lost records than one read brings are all read', async () => {
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    stage.lossy.fate = () => 'lose'
    await turnsOf(stage.store, 60, 'lost')
    stage.lossy.fate = () => 'pass'
    await ScriptedTurn.accepted(stage.store, session, 'heard')
    for (let n = 0; n < 20; n++) {
      answerPings(watching)
      await stage.settle()
    }
    expect(watching.reader.finished.size).toBe(60)
    expect([watching.reader.finished.get('lost59'), watching.reader.resets]).toEqual(['lost 59', 0])
    expect(watching.reader.seq).toBe(181)
    expect(stage.lossy.readCount).toBe(4)
  })

  test('[FEED-7] a feed reads on to the head by itself, though no reader asks for more', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    stage.lossy.fate = () => 'lose'
    await turnsOf(stage.store, 60, 'lost')
    stage.lossy.fate = () => 'pass'
    await ScriptedTurn.accepted(stage.store, session, 'heard')
    await stage.settle()
    expect([feed.head.seq, feed.run?.turn]).toEqual([181, 'heard'])
  })

  test('[FEED-8] what comes twice or late, or is known already, changes nothing and is not read', async () => {
    const stage = await FeedStage.started()
    stage.lossy.fate = () => 'twice'
    const watching = stage.reader()
    await stage.open(watching)
    const turn = await stage.turn('t1')
    for (const text of ['a', '🙂', 'b']) await turn.write(text)
    expect(watching.reader.text).toBe('a🙂b')
    await turn.end()
    expect(watching.reader.finished.get('t1')).toBe('a🙂b')
    expect(stage.lossy.readCount).toBe(1)
  })

  test('[FEED-8] a delta that came without its text is read, and its repetition is not', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    stage.lossy.isTextHeldBack = true
    await turn.write('long')
    await stage.settle()
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['long', 2])
    stage.feeds.delivered(session, turn.fence, 0, 0, Buffer.from('long'))
    stage.feeds.producerStopped(session, turn.token, false)
    await stage.settle()
    stage.lossy.fate = () => 'twice'
    await turn.write(' and more')
    await stage.settle()
    // One for the stopped producer, one for the text.
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['long and more', 4])
    stage.lossy.fate = () => 'hold'
    await turn.write('!')
    await feedRead(stage, feed)
    const before = stage.lossy.readCount
    stage.lossy.release()
    await stage.settle()
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['long and more!', before])
  })

  test('[FEED-8] of a delta that begins before the end the rest is taken', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await turn.write('abc')
    stage.lossy.fate = () => 'lose'
    await turn.write('def')
    stage.feeds.delivered(session, turn.fence, 0, 1, Buffer.from('bcdef'))
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['abcdef', 1])
  })

  test('[FEED-9] a terminal whose text is not whole here is not shown before the text was read', async () => {
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    const turn = await stage.turn('t1')
    await turn.write('heard')
    stage.lossy.fate = (kind) => (kind === 'delta' ? 'lose' : 'pass')
    await turn.write(' unheard')
    stage.lossy.reading = 'late'
    await turn.end()
    expect(watching.reader.terminals).toEqual([])
    stage.lossy.answerReads()
    await stage.settle()
    expect(watching.reader.finished.get('t1')).toBe('heard unheard')
    expect(stage.served.readCount).toBe(0)
  })

  test('[FEED-9] a turn of which nothing was heard but its end is read with its text', async () => {
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    stage.lossy.fate = () => 'lose'
    const turn = await stage.turn('t1')
    await turn.write('x'.repeat(100_000))
    stage.lossy.fate = () => 'pass'
    await turn.end()
    for (let n = 0; n < 10; n++) {
      answerPings(watching)
      await stage.settle()
    }
    expect(watching.reader.finished.get('t1')).toBe(turn.text)
  })

  test('[FEED-10] another history replaces the one before, also where the numbers are the same', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const [mine, other] = [await stage.turn('t1'), createMemoryLog()]
    await mine.write('of the first history')
    await createSession(other)
    const theirs = await ScriptedTurn.accepted(other, session, 't9')
    stage.lossy.becomes(other)
    await stage.settle()
    await theirs.open()
    await theirs.write('of the second')
    await stage.settle()
    expect(feed.run).toMatchObject({ turn: 't9', attempt: 1, openedBy: theirs.token })
    expect(textOf(feed)).toBe('of the second')
    expect(feed.entryAfter(1)?.record).toMatchObject({ turn: 't9' })
  })

  test('[FEED-10] a record after another history of the same length is not taken for the next one', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    await ScriptedTurn.accepted(stage.store, session, 't1')
    const other = createMemoryLog()
    await createSession(other)
    const theirs = await ScriptedTurn.accepted(other, session, 't9')
    stage.lossy.becomes(other)
    await stage.settle()
    await theirs.open()
    await stage.settle()
    expect(feed.entryAfter(0)?.record).toMatchObject({ turn: 't9' })
  })

  test('[FEED-10] a reader of the history before is not led into the new one, however the two meet', async () => {
    const other = createMemoryLog()
    await createSession(other)
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    await turnsOf(stage.store, 1, 'old')
    // The new history's latest page begins right after the place where the old one ends.
    await turnsOf(other, 22, 'new')
    stage.lossy.becomes(other)
    stage.served.becomes(other)
    await stage.settle()
    await ScriptedTurn.accepted(other, session, 'last')
    await stage.settle()
    expect(watching.reader.seq).toBe(67)
    expect(watching.reader.resets).toBe(1)
    expect(watching.reader.finished.get('new21')).toBe('new 21')
  })

  test('[FEED-10] a place of another history is not known by its number', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    await turnsOf(stage.store, 1, 't')
    const entry = feed.entryAfter(1)
    expect(entry && feed.knows(entry.record)).toBe(true)
    expect(feed.knows({ seq: 2, mark: 1 })).toBe(false)
    expect(feed.knows({ seq: 9, mark: 1 })).toBe(false)
  })

  test('[FEED-10] a delta of another producer of the same attempt is not taken, whatever its position', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await turn.write('mine')
    const other = { ...turn.fence, token: 'another' }
    stage.feeds.delivered(session, other, 0, 4, Buffer.from(' and theirs'))
    expect(textOf(feed)).toBe('mine')
    expect(stage.lossy.readCount).toBe(1)
  })

  test('[FEED-11] a head that somebody else read in the store makes a feed that is behind it read, and no other', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    stage.lossy.fate = () => 'lose'
    const turn = await stage.turn('t1')
    await turn.write('unheard')
    // The client saw the record through another node: its cursor is ahead of this one.
    const watching = stage.reader()
    await stage.open(watching)
    await stage.settle()
    expect(watching.reader.text).toBe('unheard')
    expect([watching.reader.resets, feed.head.seq, stage.lossy.readCount]).toEqual([0, 2, 2])
    feed.heardOf({ kind: 'ok', head: { seq: 1, mark: 7 } })
    feed.heardOf({ kind: 'ok', head: feed.head })
    await stage.settle()
    expect(stage.lossy.readCount).toBe(2)
  })

  test('[FEED-11] a place that the feed knows and the store no longer does makes it read, although the store is behind', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await turn.write('taken back')
    await stage.settle()
    const { readCount } = stage.lossy
    const behind = { kind: 'ok', head: { seq: 1, mark: 7 }, from: 'reset' } as const
    feed.heardOf(behind, { seq: feed.head.seq, mark: 7 })
    feed.heardOf({ ...behind, from: 'after' }, feed.head)
    await stage.settle()
    expect(stage.lossy.readCount).toBe(readCount)
    feed.heardOf(behind, feed.head)
    await stage.settle()
    expect(stage.lossy.readCount).toBe(readCount + 1)
  })
})

describe("the node's own turns", () => {
  test('[FEED-12] own text comes by acknowledgement alone, once it has', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await stage.writeOwn(turn, 'acknowledged')
    await turn.write(' not yet')
    expect(textOf(feed)).toBe('acknowledged')
    stage.feeds.delivered(session, turn.fence, 0, 12, Buffer.from(' not yet'))
    expect(textOf(feed)).toBe('acknowledged not yet')
  })

  test('[FEED-13] once the producer stopped, the feed hears and reads what another writes', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await stage.writeOwn(turn, 'mine')
    await turn.write(' unacknowledged')
    stage.feeds.producerStopped(session, turn.token, false)
    await stage.settle()
    expect(textOf(feed)).toBe('mine unacknowledged')
    await turn.write(' heard')
    expect(textOf(feed)).toBe('mine unacknowledged heard')
    expect(stage.lossy.readCount).toBe(2)
  })

  test('[FEED-13] deltas are listened to from the first attempt on that another node opened, until one of this node', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const mine = await ScriptedTurn.accepted(stage.store, session, 't1')
    stage.feeds.producerStarted(session, mine.token)
    await mine.open()
    await stage.writeOwn(mine, 'mine')
    await stage.endOwn(mine)
    expect([stage.lossy.hearsDeltas, stage.lossy.readCount]).toEqual([false, 1])
    const other = await stage.turn('t2')
    expect(stage.lossy.hearsDeltas).toBe(true)
    await other.write('theirs')
    expect(textOf(feed)).toBe('theirs')
    await other.end()
    expect(stage.lossy.hearsDeltas).toBe(true)
    const next = await ScriptedTurn.accepted(stage.store, session, 't3')
    stage.feeds.producerStarted(session, next.token)
    await next.open()
    expect(stage.lossy.hearsDeltas).toBe(false)
  })

  test('[FEED-13] who begins to watch a turn of this node does not listen to its echo', async () => {
    const stage = await FeedStage.started()
    const mine = await stage.turn('t1')
    await stage.writeOwn(mine, 'mine')
    const { feed } = await stage.watch()
    expect([textOf(feed), stage.lossy.hearsDeltas]).toEqual(['mine', false])
    await stage.writeOwn(mine, ' too')
    expect(textOf(feed)).toBe('mine too')
  })

  test('[FEED-22] the end of an own turn is read only when it was not heard for a while', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const turn = await stage.turn('t1')
    await stage.writeOwn(turn, 'mine')
    stage.lossy.fate = () => 'lose'
    await stage.endOwn(turn)
    await stage.settle()
    expect([textOf(feed), stage.lossy.readCount]).toEqual(['mine', 1])
    stage.timers.pass()
    await stage.settle()
    expect([textOf(feed), feed.head.seq, stage.lossy.readCount]).toEqual([undefined, 3, 2])
  })

  test('[FEED-14] after a take-over the acknowledgements of the producer before do not count, and the new one is heard', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const before = await stage.turn('t1')
    await stage.writeOwn(before, 'before')
    stage.nowMs += 61_000
    const after = await ScriptedTurn.takenOver(stage.store, session, before)
    await after.open(3)
    stage.feeds.delivered(session, before.fence, 0, 3, Buffer.from('ore, late'))
    await after.write(' after')
    expect(textOf(feed)).toBe('bef after')
    stage.feeds.producerStopped(session, before.token, false)
    await stage.settle()
    expect(textOf(feed)).toBe('bef after')
  })

  test('[FEED-14] so it is where another history has the same attempt of another producer', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const mine = await stage.turn('t1')
    await stage.writeOwn(mine, 'mine')
    const other = createMemoryLog()
    await createSession(other)
    const theirs = await ScriptedTurn.accepted(other, session, 't1')
    stage.lossy.becomes(other)
    await stage.settle()
    await theirs.open()
    await stage.settle()
    stage.feeds.delivered(session, mine.fence, 0, 0, Buffer.from('mine again'))
    await theirs.write('theirs')
    await stage.settle()
    expect(feed.run?.openedBy).toBe(theirs.token)
    expect(textOf(feed)).toBe('theirs')
  })

  test('[FEED-15] an own attempt whose opening was not heard is read when its text is acknowledged', async () => {
    const stage = await FeedStage.started()
    const watching = stage.reader()
    await stage.open(watching)
    const turn = await stage.turn('t1')
    await stage.writeOwn(turn, 'first')
    stage.lossy.fate = () => 'lose'
    await turn.open()
    await stage.writeOwn(turn, 'second')
    await stage.settle()
    expect(watching.reader.text).toBe('second')
    expect(stage.lossy.readCount).toBe(2)
  })
})

describe('watchers', () => {
  test('[FEED-16] no feed, subscription or timer is left when nobody watches, also in the middle of a read', async () => {
    const stage = await FeedStage.started()
    const nothing = () => [stage.feeds.size, stage.lossy.lineCount, stage.timers.count]
    for (const state of ['subscribing', 'reading', 'live', 'failed', 'lost'] as const) {
      stage.lossy.isAway = state === 'subscribing'
      stage.lossy.reading = state === 'reading' ? 'late' : state === 'failed' ? 'fail' : 'now'
      const watcher = new PlainWatcher()
      const watching = stage.feeds.watch(
        session,
        { owner: { tenant: 'default', subject: 'ada' }, createdMs: 1 },
        watcher,
      )
      await stage.settle()
      if (state === 'lost') stage.lossy.breakLines()
      stage.feeds.unwatch(session, watcher)
      expect([state, ...nothing()]).toEqual([state, 0, 0, 0])
      stage.lossy.answerReads()
      stage.lossy.comeBack()
      await watching
      await stage.settle()
      expect([state, ...nothing()]).toEqual([state, 0, 0, 0])
    }
  })

  test('[FEED-17] who leaves and comes back while the feed reads is shown everything', async () => {
    const stage = await FeedStage.started()
    const turn = await stage.turn('t1')
    await turn.write('text')
    stage.lossy.reading = 'late'
    const watching = stage.reader()
    const first = stage.open(watching)
    await stage.settle()
    watching.outbox.unwatch(session)
    const second = stage.open(watching)
    await stage.settle()
    stage.lossy.reading = 'now'
    stage.lossy.answerReads()
    await first
    expect(await second).toBeUndefined()
    await stage.settle()
    expect(watching.reader.text).toBe('text')
    expect(stage.feeds.size).toBe(1)
  })

  test.each([
    ['erased', 'live'],
    ['expired', 'live'],
    ['lost', 'live'],
    ['erased', 'reading'],
  ] as const)(
    '[FEED-18] a session that is %s while its feed is %s is told once, and its feed is gone',
    async (how, state) => {
      const stage = await FeedStage.started()
      const { feed, watcher } = await stage.watch()
      if (state === 'reading') {
        stage.lossy.reading = 'late'
        await stage.turn('t1')
        feed.heardOf({ kind: 'ok', head: { seq: 99, mark: 1 } })
      }
      if (how === 'erased') await stage.store.erase(session)
      else if (how === 'expired') {
        stage.nowMs += 2 * sessionTtlMs
        await stage.store.describe(session)
      } else {
        stage.lossy.becomes(createMemoryLog())
        feed.heardOf({ kind: 'gone' })
      }
      stage.lossy.answerReads()
      await stage.settle()
      expect(watcher.wentBy).toBe(how)
      expect([feed.isGone, stage.feeds.size, stage.lossy.lineCount, stage.timers.count]).toEqual([true, 0, 0, 0])
    },
  )

  test('[FEED-18] a session that the store does not know has no feed', async () => {
    const stage = new FeedStage()
    const watcher = new PlainWatcher()
    const info = { owner: { tenant: 'default', subject: 'ada' }, createdMs: 1 }
    expect(await stage.feeds.watch(session, info, watcher)).toBeUndefined()
    expect([watcher.wentBy, stage.feeds.size, stage.lossy.lineCount]).toEqual(['lost', 0, 0])
  })

  test('[FEED-19] the text of an ended turn is held only while somebody lacks some of it', async () => {
    const stage = await FeedStage.started()
    const slow = stage.reader()
    const { feed, watcher } = await stage.watch()
    watcher.seq = Number.MAX_SAFE_INTEGER
    await stage.open(slow)
    const turn = await stage.turn('t1')
    for (let n = 0; n < 4; n++) await turn.write('y'.repeat(50_000))
    await turn.end()
    expect(feed.ended?.turn).toBe('t1')
    while (slow.reader.pings.length > 0) answerPings(slow)
    expect(slow.reader.finished.get('t1')).toBe(turn.text)
    expect(feed.ended).toBeUndefined()
    expect(stage.lossy.readCount).toBe(1)
  })
})

describe('what a feed holds', () => {
  test('[FEED-21] the tail is bounded, and who is further behind is served by the store', async () => {
    const stage = await FeedStage.started()
    const { feed } = await stage.watch()
    const slow = stage.reader()
    await stage.open(slow)
    const first = await stage.turn('first')
    for (let n = 0; n < 3; n++) await first.write('s'.repeat(40_000))
    await first.end()
    await turnsOf(stage.store, 50, 't')
    expect(feed.entryAfter(80)).toBeUndefined()
    expect(feed.entryAfter(150)?.record.seq).toBe(151)
    for (let n = 0; n < 200 && slow.reader.finished.size < 51; n++) {
      answerPings(slow)
      await stage.settle()
    }
    expect(slow.reader.finished.get('first')).toBe(first.text)
    expect(slow.reader.finished.size).toBe(51)
    expect(stage.lossy.readCount).toBe(1)
  })
})

describe('whatever is lost', () => {
  const fates = fc.constantFrom<Fate>('pass', 'pass', 'pass', 'lose', 'lose', 'twice', 'hold')
  const action = fc.oneof(
    { weight: 8, arbitrary: fc.tuple(fc.constant('write'), fc.constantFrom('a', 'bé', '🙂', 'x'.repeat(9_000))) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('fate'), fates) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('release'), fc.constant(0)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('reading'), fc.constantFrom('now', 'late', 'fail')) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('answer'), fc.constant(0)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('break'), fc.constant(0)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('time'), fc.constant(0)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('pong'), fc.nat(2)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('reopen'), fc.nat(2)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('leave'), fc.nat(2)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('restart'), fc.nat(100)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('takeover'), fc.nat(100)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('stop'), fc.constant(0)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('end'), fc.constant(0)) },
    { weight: 4, arbitrary: fc.tuple(fc.constant('yield'), fc.constant(0)) },
  )

  test('[FEED-20] whatever is lost, late, twice or cut off: what is shown is exact, and the next event heals the rest', async () => {
    const seen = { losses: 0, reads: 0, ended: 0, takeOvers: 0 }
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 120 }), async (actions) => {
        const stage = await FeedStage.started()
        const play = await new Play(stage).begun()
        for (const [kind, value] of actions) await play.act(kind, value)
        await play.healed()
        play.check()
        seen.losses += stage.lossy.lostCount
        seen.reads += stage.lossy.readCount
        seen.ended += play.texts.size
        seen.takeOvers += play.takeOvers
        for (const { outbox } of play.readers) outbox.close()
        expect([stage.feeds.size, stage.lossy.lineCount, stage.timers.count]).toEqual([0, 0, 0])
      }),
      { numRuns: 200 },
    )
    expect(seen.losses).toBeGreaterThan(200)
    expect(seen.reads).toBeGreaterThan(500)
    expect(seen.ended).toBeGreaterThan(200)
    expect(seen.takeOvers).toBeGreaterThan(20)
  })
})

/** One random history: turns made on this node or elsewhere, and three readers that come and go. */
class Play {
  readonly readers: Watching[]
  readonly texts = new Map<string, string>()
  takeOvers = 0
  readonly #stage: FeedStage
  readonly #opens: Promise<unknown>[] = []
  #turn: ScriptedTurn | undefined
  #isOwn = false

  constructor(stage: FeedStage) {
    this.#stage = stage
    this.readers = [stage.reader(), stage.reader(), stage.reader()]
  }

  async begun(): Promise<this> {
    for (const watching of this.readers) await this.#stage.open(watching)
    return this
  }

  async act(kind: string, value: string | number): Promise<void> {
    const { lossy, timers } = this.#stage
    const watching = typeof value === 'number' ? this.readers[value] : undefined
    if (kind === 'write') await this.#write(String(value))
    // The list of actions has only such values under these names.
    else if (kind === 'fate') lossy.fate = () => value as Fate
    else if (kind === 'reading') lossy.reading = value as 'now' | 'late' | 'fail'
    else if (kind === 'release') lossy.release()
    else if (kind === 'answer') lossy.answerReads()
    else if (kind === 'break') lossy.breakLines()
    else if (kind === 'time') timers.pass()
    else if (kind === 'pong' && watching) answerPings(watching)
    else if (kind === 'reopen' && watching) this.#open(watching)
    else if (kind === 'leave' && watching) leave(watching)
    else if (kind === 'restart') await this.#turn?.open(boundary(this.#turn.text, Number(value)))
    else if (kind === 'takeover') await this.#takeOver(Number(value))
    else if (kind === 'stop') this.#stop()
    else if (kind === 'end') await this.#end()
    else if (kind === 'yield') await new Promise(setImmediate)
  }

  /** Nothing goes wrong any more, and one more turn passes. */
  async healed(): Promise<void> {
    const { lossy, timers } = this.#stage
    await this.#end()
    lossy.reading = 'now'
    lossy.fate = () => 'pass'
    for (let round = 0; round < 3; round++) {
      lossy.release()
      lossy.answerReads()
      timers.pass()
      await new Promise(setImmediate)
    }
    await Promise.all(this.#opens)
    for (const watching of this.readers) if (watching.reader.isDeaf) this.#open(watching)
    await Promise.all(this.#opens)
    await this.#write('the last')
    await this.#end()
    const isDone = () => this.readers.every(({ reader }) => reader.finished.size === this.texts.size)
    for (let round = 0; round < 200 && !isDone(); round++) {
      for (const watching of this.readers) answerPings(watching)
      await new Promise(setImmediate)
    }
  }

  check(): void {
    for (const { reader } of this.readers) {
      const shown = [...reader.finished].map(([turn, text]) => [turn, text === tooLong ? this.texts.get(turn) : text])
      expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(this.texts))
      expect(reader.resets).toBe(0)
    }
  }

  async #write(text: string): Promise<void> {
    if (this.#turn === undefined) {
      this.#isOwn = this.texts.size % 2 === 0
      this.#turn = await this.#stage.turn(`t${this.texts.size}`)
    }
    if (this.#isOwn) await this.#stage.writeOwn(this.#turn, text)
    else await this.#turn.write(text)
  }

  async #takeOver(keep: number): Promise<void> {
    if (this.#turn === undefined) return
    this.takeOvers++
    this.#stage.nowMs += 61_000
    const [before, wasOwn] = [this.#turn, this.#isOwn]
    this.#turn = await ScriptedTurn.takenOver(this.#stage.store, session, before)
    await this.#turn.open(boundary(before.text, keep))
    this.#isOwn = false
    if (!wasOwn) return
    // The producer before learns of it late: its last acknowledgement comes now.
    this.#stage.feeds.delivered(session, before.fence, 0, Buffer.byteLength(before.text), Buffer.from('late'))
    this.#stage.feeds.producerStopped(session, before.token, false)
  }

  /** The producer goes on elsewhere. */
  #stop(): void {
    if (this.#turn === undefined || !this.#isOwn) return
    this.#isOwn = false
    this.#stage.feeds.producerStopped(session, this.#turn.token, false)
  }

  async #end(): Promise<void> {
    const turn = this.#turn
    if (turn === undefined) return
    if (this.#isOwn) await this.#stage.endOwn(turn)
    else await turn.end()
    this.texts.set(turn.turn, turn.text)
    this.#turn = undefined
  }

  #open(watching: Watching): void {
    this.#opens.push(this.#stage.open(watching))
  }
}

/** Makes the feed read, as somebody's finding would. */
async function feedRead(stage: FeedStage, feed: Feed): Promise<void> {
  feed.heardOf({ kind: 'ok', head: { seq: feed.head.seq + 1, mark: 1 } })
  await stage.settle()
}

function leave({ reader, outbox }: Watching): void {
  outbox.unwatch(session)
  reader.isDeaf = true
}

/** The last start of a character at or before `at`. */
function boundary(text: string, at: number): number {
  const bytes = Buffer.from(text)
  let end = Math.min(at, bytes.length)
  while (end > 0 && end < bytes.length && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return end
}
