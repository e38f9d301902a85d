import type { Down } from '../protocol/down.ts'
import { frameDownBytes, pageRecordsMax } from '../protocol/limits.ts'
import { protocolVersion } from '../protocol/version.ts'
import type { Identity } from './auth/identity.ts'
import type { ConnectionSettings } from './connection-state.ts'

/** The answer to `hello`: who the client is, and what it may do at once. */
export function welcome(settings: ConnectionSettings, identity: Identity): Down {
  return {
    type: 'welcome',
    protocol: protocolVersion,
    connection: settings.connection,
    subject: identity.subject,
    heartbeatMs: settings.heartbeatMs,
    tokenExpiresAt: identity.expiresAtMs,
    limits: {
      frameBytes: frameDownBytes,
      contentBytes: settings.contentBytes,
      framesPerSecond: settings.framesPerSecond,
      watchedSessions: settings.watchedSessions,
      pageRecords: pageRecordsMax,
    },
  }
}
