import type { SessionLog, ShareFull } from '../../sessions/session-log.ts'
import type { StoreTelemetry } from './ports.ts'

/** The same store, whose refusals for a full share are counted. */
export function countedLog(log: SessionLog, telemetry: Pick<StoreTelemetry, 'shareRefused'>): SessionLog {
  const counted =
    <Request, Reply extends { readonly kind: string }>(operate: (request: Request) => Promise<Reply | ShareFull>) =>
    async (request: Request) => {
      const reply = await operate(request)
      if (isShareFull(reply)) telemetry.shareRefused(reply.of, reply.unit)
      return reply
    }
  return {
    ...log,
    create: counted((request: Parameters<SessionLog['create']>[0]) => log.create(request)),
    accept: counted((request: Parameters<SessionLog['accept']>[0]) => log.accept(request)),
    addFeedback: counted((request: Parameters<SessionLog['addFeedback']>[0]) => log.addFeedback(request)),
    update: counted((request: Parameters<SessionLog['update']>[0]) => log.update(request)),
  }
}

function isShareFull(reply: { readonly kind: string } | ShareFull): reply is ShareFull {
  return reply.kind === 'share-full'
}
