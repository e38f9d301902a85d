import type { SessionHandle, SessionView, SluiceClient, TurnView } from '../../client/index.ts'
import { sessionInAddress, showInAddress } from './address.ts'
import { perFrame } from './per-frame.ts'
import { createCell, type Source } from './source.ts'
import { tabStorage } from './storage.ts'
import { randomName } from './token-desk.ts'
import { forgetUnsent, keepUnsent, moveUnsent, unsentOf, unsentPlaces } from './unsent.ts'

/** The conversation that the page shows. */
export interface Shown {
  /** Another one for every conversation chosen; the same while a new one gets its id. */
  readonly key: string
  /** Absent until the gateway has made it. */
  readonly session: string | undefined
  readonly view: SessionView
  /** Without the turns whose place another one took. */
  readonly turns: readonly TurnView[]
}

export interface Conversation {
  readonly shown: Source<Shown>
  /** `undefined`: a new one. */
  select(session: string | undefined): void
  send(content: string): void
  /** The same question once more, in place of the last answer. */
  retry(turn: TurnView): void
  /** Another question in place of the last one. */
  edit(turn: TurnView, content: string): void
  stop(turn: TurnView): void
  /** Rejects with `SluiceError`. */
  rate(turn: TurnView, rating: -1 | 0 | 1): Promise<void>
  loadOlder(): Promise<void>
}

/**
 * One conversation at a time, followed over the client, named in the page's address. `onChange` is told when the list
 * of conversations has become old: one was made, or a turn began or ended.
 */
export function createConversation(client: SluiceClient, onChange: () => void): Conversation {
  let handle = open(sessionInAddress())
  let unsubscribe: () => void = () => undefined
  let activity = ''
  const shown = createCell(look(handle.key ?? name(handle)))
  const refresh = perFrame(() => shown.set(look(shown.current.key)))

  function open(session: string | undefined): SessionHandle {
    return session === undefined ? client.newSession({ key: newKey() }) : client.session(session)
  }

  /** Of a conversation, as far as it has one yet. */
  function name({ id, key }: SessionHandle): string {
    return id ?? key ?? ''
  }

  function look(key: string): Shown {
    const { view } = handle
    return { key, session: handle.id, view, turns: view.turns.filter(({ isReplaced }) => !isReplaced) }
  }

  function follow(): void {
    unsubscribe = handle.subscribe(changed)
    resend(handle)
    changed(handle.view)
  }

  function changed(view: SessionView): void {
    refresh()
    forgetUnsent(arrived(view))
    const { id } = handle
    if (id !== undefined && sessionInAddress() === undefined) {
      if (handle.key !== undefined) moveUnsent(handle.key, id)
      tabStorage.write('new', undefined)
      showInAddress(id, true)
    }
    const last = view.turns.at(-1)
    const now = `${id} ${view.turns.length} ${last?.state} ${view.metadata?.title}`
    if (now !== activity && id !== undefined) onChange()
    activity = now
  }

  /** What a reload interrupted. */
  function resend(to: SessionHandle): void {
    const known = new Set(to.view.turns.map(({ messageId }) => messageId))
    for (const message of unsentOf(name(to))) {
      const { messageId, content, replaces } = message
      if (!known.has(messageId)) to.send(content, { messageId, replaces })
    }
  }

  /** The same of the conversations that were left before the reload. */
  function resendLeft(): void {
    for (const { session, isNew } of unsentPlaces()) {
      if (session === name(handle)) continue
      const left = isNew === true ? client.newSession({ key: session }) : client.session(session)
      resend(left)
      leave(left)
    }
  }

  /** Closing a handle gives up what it has not sent; so it is closed when the gateway has everything. */
  function leave(left: SessionHandle): void {
    if (hasArrived(left.view)) return left.close()
    left.subscribe((view) => {
      forgetUnsent(arrived(view))
      if (!hasArrived(view)) return
      left.close()
      onChange()
    })
  }

  function send(
    content: string,
    options: { readonly replaces?: string | undefined; readonly messageId?: string },
  ): void {
    const messageId = options.messageId ?? randomName()
    const place = options.replaces === undefined ? {} : { replaces: options.replaces }
    keepUnsent({ session: name(handle), isNew: handle.id === undefined, messageId, content, ...place })
    handle.send(content, { messageId, ...place })
  }

  /** A message that never got into the log has no turn to replace: it is sent again as itself. */
  function replacing({ turn, messageId }: TurnView) {
    return turn === undefined && messageId !== undefined ? { messageId } : { replaces: turn }
  }

  follow()
  resendLeft()
  return {
    shown,
    select(session) {
      if (session !== undefined && session === handle.id) return
      unsubscribe()
      if (handle.view.turns.length > 0) tabStorage.write('new', undefined)
      leave(handle)
      handle = open(session)
      showInAddress(session, false)
      activity = ''
      shown.set(look(handle.key ?? name(handle)))
      follow()
    },
    send: (content) => send(content, {}),
    retry: (turn) => send(turn.content, replacing(turn)),
    edit: (turn, content) => send(content, replacing(turn)),
    stop: ({ turn }) => handle.cancel(turn),
    async rate({ turn }, rating) {
      if (turn !== undefined) await handle.giveFeedback(turn, rating)
    },
    loadOlder: () => handle.loadOlder(),
  }
}

/** The gateway makes one session of one key, so a reload in the moment of the first message makes no second one. */
function newKey(): string {
  const key = tabStorage.read('new') ?? randomName()
  tabStorage.write('new', key)
  return key
}

function arrived({ turns }: SessionView): ReadonlySet<string> {
  const ids = new Set<string>()
  for (const { messageId, state } of turns) {
    if (messageId !== undefined && !isUnderWay(state)) ids.add(messageId)
  }
  return ids
}

function hasArrived({ turns }: SessionView): boolean {
  return !turns.some(({ state }) => isUnderWay(state))
}

function isUnderWay(state: TurnView['state']): boolean {
  return state === 'unsent' || state === 'sending'
}
