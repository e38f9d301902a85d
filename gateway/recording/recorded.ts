/** The ports of a node with somebody who writes down what passes: what they do is the same. */
import type { SessionLog } from '../../sessions/session-log.ts'
import type { TurnSender } from '../chat.ts'
import type { SocketTelemetry } from '../telemetry/ports.ts'
import type { Recording } from './recording.ts'

export function recordedLog(log: SessionLog, recording: Recording): SessionLog {
  return {
    ...log,
    end: async (request) => {
      const reply = await log.end(request)
      if (reply.kind === 'ok') recording.ended(request.session, request.record)
      return reply
    },
    cancel: async (request) => {
      const reply = await log.cancel(request)
      if (reply.kind === 'cancelling') recording.cancelled(request.session, request.turn)
      return reply
    },
  }
}

/** `isOffered`: whether a model's name is the operator's; any other is a client's text, and left out. */
export function recordedSender(
  turns: TurnSender,
  recording: Recording,
  isOffered: (model: string) => boolean,
): TurnSender {
  return {
    offersPrompt: (name) => turns.offersPrompt(name),
    suspect: (session, turn) => turns.suspect(session, turn),
    send: async (request) => {
      const reply = await turns.send(request)
      if (reply.kind === 'accepted' && !reply.isRepeat) {
        const { session, content } = request
        const model = request.model !== undefined && isOffered(request.model) ? request.model : undefined
        recording.message({ session, turn: reply.turn, model, content })
      }
      return reply
    },
  }
}

export function recordedSockets(sockets: SocketTelemetry, recording: Recording): SocketTelemetry {
  return {
    ...sockets,
    opened: (connection) => {
      recording.socketOpened(connection)
      sockets.opened(connection)
    },
    closed: (connection, code, openMs) => {
      recording.socketClosed(connection, code)
      sockets.closed(connection, code, openMs)
    },
  }
}
