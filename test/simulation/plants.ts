import { liveRecordFrame } from '../../gateway/frames.ts'
import { Reader } from '../../gateway/reader.ts'
import { isTerminal, type TerminalRecord } from '../../protocol/record.ts'
import { Feed } from '../../sessions/feed.ts'
import { FeedView } from '../../sessions/feed-view.ts'
import type { PatchScript, ScriptName } from '../../sessions/redis/scripts.ts'
import type { LogListener, LogPlace, SessionLog } from '../../sessions/session-log.ts'
import type { Plant } from './histories.ts'
import type { PlanName } from './plan.ts'

/** A fault of STORE.md, put into the product, and the plan in which it shows. */
export interface Planted {
  readonly name: string
  readonly hole: string
  readonly plan: PlanName
  readonly plant: Plant
  /** Found in one of thirty to hundreds of histories: looked for by `npm run simulate` alone. */
  readonly isRare: boolean
}

/** Puts other words in place of a script's; a script that has no such words fails the test. */
function inScript(script: ScriptName, from: string, to: string): Plant {
  const scripts: PatchScript = (name, source) => {
    if (name !== script) return source
    if (!source.includes(from)) throw new Error(`${script} has no ${from}`)
    return source.replaceAll(from, to)
  }
  return { scripts }
}

function both(...plants: readonly Plant[]): Plant {
  const scripts: PatchScript = (name, source) =>
    plants.reduce((patched, plant) => plant.scripts?.(name, patched) ?? patched, source)
  return Object.assign({}, ...plants, { scripts })
}

function between(change: (log: SessionLog) => Partial<SessionLog>): Plant {
  return { nodes: { between: (log) => ({ ...log, ...change(log) }) } }
}

/** Another method in the place of a class' own. */
function inClass<C extends object, K extends keyof C>(prototype: C, name: K, make: (original: C[K]) => C[K]): Plant {
  return {
    code() {
      const original = prototype[name]
      prototype[name] = make(original)
      return () => {
        prototype[name] = original
      }
    },
  }
}

/** An outbox that sends an end as it is, where `is`. */
function endsWithoutText(is: (feed: Feed, record: TerminalRecord) => boolean): Plant {
  return inClass(Reader.prototype, 'next', (original) => {
    return function next(this: Reader, roomBytes) {
      const { feed } = this
      const entry = feed === undefined || this.isFetching ? undefined : feed.entryAfter(this.seq)
      if (feed?.knows(this) !== true || entry === undefined || !isTerminal(entry.record) || !is(feed, entry.record))
        return original.call(this, roomBytes)
      this.pass(entry.record)
      return { kind: 'frame', frame: liveRecordFrame(this.session, entry.record), isDelta: false }
    }
  })
}

function together(...plants: readonly Plant[]): Plant {
  return {
    code() {
      const undo = plants.map((plant) => plant.code?.())
      return () => {
        for (const take of undo.reverse()) take?.()
      }
    },
  }
}

/** As an object whose parts can be taken one by one: a feed's are methods. */
function partsOf(listener: LogListener): LogListener {
  return {
    confirmed: () => listener.confirmed(),
    lost: () => listener.lost(),
    record: (...told) => listener.record(...told),
    delta: (...told) => listener.delta(...told),
    nudge: (...told) => listener.nudge(...told),
    updated: (...told) => listener.updated(...told),
    erased: (...told) => listener.erased(...told),
  }
}

function listening(change: (listener: LogListener, again: (listener: LogListener) => void) => LogListener): Plant {
  return between((log) => ({
    subscribe(session, heard) {
      const listener = partsOf(heard)
      let inner = log.subscribe(session, { ...listener })
      inner.close()
      const again = (next: LogListener) => {
        inner.close()
        inner = log.subscribe(session, next)
      }
      again(change(listener, again))
      return { hearDeltas: (wanted) => inner.hearDeltas(wanted), close: () => inner.close() }
    },
  }))
}

/** Tokens that are counted by what the store has, and so repeat when it travels back. */
function countedTokens(): Plant {
  return between((log) => {
    const counted = new Map<string, string>()
    const of = (token: string) => counted.get(token) ?? token
    return {
      accept(request) {
        counted.set(request.token, 'count-0')
        return log.accept({ ...request, token: of(request.token) })
      },
      async takeOver(request) {
        if (!counted.has(request.token)) {
          const opened = await log.open({ session: request.session, limit: 1 })
          const attempt = opened.kind === 'ok' ? (opened.run?.attempt ?? 0) : 0
          counted.set(request.token, `count-${attempt + 1}`)
        }
        return log.takeOver({ ...request, token: of(request.token) })
      },
      append: (request) => log.append({ ...request, fence: { ...request.fence, token: of(request.fence.token) } }),
      end: (request) => log.end({ ...request, token: of(request.token) }),
    }
  })
}

/** Who takes a turn over goes on in the attempt that is there. */
function sameAttempt(): Plant {
  return both(
    inScript('append', 'if tonumber(attempt) ~= current or v[5] ~= token then', 'if tonumber(attempt) ~= current then'),
    between((log) => {
      const taken = new Set<string>()
      return {
        async takeOver(request) {
          taken.add(request.token)
          return log.takeOver(request)
        },
        append(request) {
          const { fence, open, ...rest } = request
          if (!taken.has(fence.token) || fence.attempt < 2) return log.append(request)
          void open
          return log.append({ ...rest, fence: { ...fence, attempt: fence.attempt - 1 } })
        },
        end(request) {
          if (!taken.has(request.token) || request.attempt < 2) return log.end(request)
          return log.end({ ...request, attempt: request.attempt - 1 })
        },
      }
    }),
  )
}

/** A suspicion that is kept although the link broke. */
function ripening(): Plant {
  return between(() => ({ breaks: () => 0 }))
}

export const planted: readonly Planted[] = [
  {
    name: 'no fence',
    hole: 'A1',
    plan: 'rolledBack',
    isRare: false,
    plant: both(
      inScript('append-joined', "redis.call('HGET', meta, 'f') ~= fence", 'false'),
      inScript('append', "if v[2] ~= turn or v[3] ~= token then return { 'stale' } end", ''),
      inScript(
        'end',
        "if v[2] ~= ARGV[2] or v[3] ~= ARGV[1] then return { 'stale' } end",
        "if v[2] ~= ARGV[2] then return { 'stale' } end",
      ),
    ),
  },
  { name: 'tokens that are counted', hole: 'A1', plan: 'rolledBack', isRare: true, plant: countedTokens() },
  {
    name: 'no compare before the append',
    hole: 'A4',
    plan: 'all',
    isRare: false,
    plant: both(
      inScript('append-joined', 'if length ~= tonumber(at) then', 'if false then'),
      inScript('append', 'if #text > 0 and length == tonumber(ARGV[2]) then', 'if #text > 0 then'),
    ),
  },
  {
    name: 'a cursor by number',
    hole: 'A2',
    plan: 'returning',
    isRare: false,
    plant: inScript(
      'open',
      "#redis.call('XRANGE', L, ARGV[1], ARGV[1]) == 1",
      "#redis.call('XRANGE', L, string.match(ARGV[1], '^%d+'), string.match(ARGV[1], '^%d+')) == 1",
    ),
  },
  { name: 'one attempt of two producers', hole: 'A3', plan: 'continued', isRare: true, plant: sameAttempt() },
  {
    name: 'a message id that is forgotten',
    hole: 'A6',
    plan: 'repeated',
    isRare: false,
    plant: inScript('accept', 'if v[5] then', 'if false then'),
  },
  {
    name: 'a winner that is told it lost',
    hole: 'A6',
    plan: 'repeated',
    isRare: false,
    plant: inScript('accept', "return { 'yours', turn, id, v[8] } end", "return { 'repeat', turn, id } end"),
  },
  {
    name: 'own text shown by number',
    hole: 'A11',
    plan: 'rolledBack',
    isRare: true,
    plant: inClass(Feed.prototype, 'delivered', (original) => {
      return function delivered(this: Feed, fence, part, at, text) {
        const { run } = this
        const isIt = run?.turn === fence.turn && run.attempt === fence.attempt
        original.call(this, isIt ? { ...fence, token: run.openedBy ?? '' } : fence, part, at, text)
      }
    }),
  },
  {
    name: 'an end without lengths',
    hole: 'A8',
    plan: 'rolledBack',
    isRare: false,
    plant: inScript(
      'end',
      "if #text ~= tonumber(bytes) or redis.sha1hex(text) ~= sha1 then return { 'behind', attempt } end",
      '',
    ),
  },
  {
    name: 'an end that is written again',
    hole: 'A8',
    plan: 'faithful',
    isRare: false,
    plant: both(
      inScript('end', "if v[7] then return { 'ended', v[7] } end", ''),
      inScript('end', "if v[2] ~= ARGV[2] or v[3] ~= ARGV[1] then return { 'stale' } end", ''),
      inScript(
        'end',
        "if not isNamed or parts ~= #KEYS - 2 then return { 'behind', attempt } end",
        'parts = #KEYS - 2',
      ),
      inScript(
        'end',
        'local attempt, parts = tonumber(v[4]), tonumber(v[5])',
        'local attempt, parts = tonumber(v[4] or ARGV[3]), tonumber(v[5] or 0)',
      ),
      inScript(
        'end',
        "if #text ~= tonumber(bytes) or redis.sha1hex(text) ~= sha1 then return { 'behind', attempt } end",
        '',
      ),
    ),
  },
  {
    name: 'a feed that shows an end before its text',
    hole: 'A12',
    plan: 'faithful',
    isRare: false,
    // With the outbox' own look at the text off, which hides it.
    plant: together(
      inClass(FeedView.prototype, 'lacksTextOf', () => () => false),
      endsWithoutText((feed, record) => feed.ended?.endSeq === record.seq),
    ),
  },
  {
    name: 'an outbox that sends an end before its text',
    hole: 'A12',
    plan: 'all',
    isRare: false,
    plant: endsWithoutText(() => true),
  },
  {
    name: 'a cancel that is a message alone',
    hole: 'B3',
    plan: 'faithful',
    isRare: false,
    plant: inScript('cancel', "redis.call('HSET', M, 'can', 1, 'f', '')", ''),
  },
  {
    name: 'a take-over at the first look',
    hole: 'B1',
    plan: 'flapping',
    isRare: false,
    plant: inScript('take-over', 'if tonumber(ARGV[3]) ~= deadline then', 'if false then'),
  },
  { name: 'a suspicion that outlives the link', hole: 'B1', plan: 'flapping', isRare: true, plant: ripening() },
  {
    name: 'a cursor ahead that resets',
    hole: 'A13',
    plan: 'faithful',
    isRare: false,
    plant: between((log) => {
      let head = 0
      return {
        async open(request) {
          const { cursor, ...rest } = request
          const reply = await log.open(cursor !== undefined && cursor.seq > head ? rest : request)
          return reply
        },
        subscribe: (session, listener) =>
          log.subscribe(session, {
            ...partsOf(listener),
            record(previous, entry) {
              head = entry.record.seq
              listener.record(previous, entry)
            },
          }),
      }
    }),
  },
  {
    name: 'a read before the subscription',
    hole: 'A10',
    plan: 'unrepaired',
    isRare: false,
    plant: listening((listener) => {
      queueMicrotask(() => listener.confirmed())
      return { ...listener, confirmed: () => undefined }
    }),
  },
  {
    name: 'a subscription that the driver restores',
    hole: 'A10',
    plan: 'unrepaired',
    isRare: false,
    plant: listening((listener, again) => {
      const restored: LogListener = {
        ...listener,
        confirmed: () => undefined,
        lost: () => queueMicrotask(() => again(restored)),
      }
      return { ...listener, lost: () => queueMicrotask(() => again(restored)) }
    }),
  },
  {
    name: 'a record that is taken for the next one',
    hole: 'A10',
    plan: 'rolledBack',
    isRare: true,
    plant: listening((listener) => {
      let last: LogPlace | undefined
      return {
        ...listener,
        record(previous, entry) {
          const { seq, mark } = entry.record
          listener.record(last ?? previous, entry)
          last = { seq, mark }
        },
      }
    }),
  },
]
