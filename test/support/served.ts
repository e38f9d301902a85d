import type { Chat } from '../../gateway/chat.ts'
import type { Outbox } from '../../gateway/outbox.ts'
import type { Served } from '../../gateway/requests.ts'

/** What a request is served with, without a socket. */
export function servedWith(chat: Chat, outbox: Outbox, watchedSessions = 10): Served {
  return {
    chat,
    outbox,
    watchedSessions,
    answer: (frame) => void outbox.send(frame),
    hasRoom: () => true,
    opened: () => undefined,
  }
}
