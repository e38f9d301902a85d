import { z } from 'zod'
import { feedbackGive } from './up/feedback-give.ts'
import { hello } from './up/hello.ts'
import { historyGet } from './up/history-get.ts'
import { messageSend } from './up/message-send.ts'
import { ping } from './up/ping.ts'
import { sessionClose } from './up/session-close.ts'
import { sessionDelete } from './up/session-delete.ts'
import { sessionList } from './up/session-list.ts'
import { sessionOpen } from './up/session-open.ts'
import { sessionUpdate } from './up/session-update.ts'
import { tokenRefresh } from './up/token-refresh.ts'
import { turnCancel } from './up/turn-cancel.ts'
import { turnRead } from './up/turn-read.ts'

/** Everything a client may send. */
export const up = z.discriminatedUnion('type', [
  hello,
  tokenRefresh,
  sessionOpen,
  sessionClose,
  sessionList,
  sessionUpdate,
  sessionDelete,
  messageSend,
  turnCancel,
  turnRead,
  historyGet,
  feedbackGive,
  ping,
])

export type Up = z.infer<typeof up>
export type UpType = Up['type']
export type UpOf<T extends UpType> = Extract<Up, { type: T }>
/** A frame that carries an `id` and is answered with it as `ref`: every one but `hello`. */
export type Request = Exclude<Up, { type: 'hello' }>
