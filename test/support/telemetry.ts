import type { Telemetry } from '../../gateway/telemetry/ports.ts'

/** Telemetry that keeps what went wrong and says nothing, for tests about something else. */
export interface QuietTelemetry extends Telemetry {
  /** What was logged as warning or error, and bugs that sockets were closed for. */
  readonly troubles: readonly unknown[]
}

export function quietTelemetry(): QuietTelemetry {
  const troubles: unknown[] = []
  const nothing = () => undefined
  const keep = (fields: object, message: string) => void troubles.push({ ...fields, message })
  return {
    troubles,
    log: { debug: nothing, info: nothing, warn: keep, error: keep },
    turns: {
      turnAccepted: nothing,
      turnRefused: nothing,
      callMade: nothing,
      callPassed: nothing,
      callEnded: nothing,
      firstContent: nothing,
      redacted: nothing,
      budgetRefused: nothing,
      filtered: nothing,
      cacheAsked: nothing,
      firstToken: nothing,
      tokenGap: nothing,
      turnEnded: nothing,
      operationRepeated: nothing,
      attemptOpened: nothing,
      takenOver: nothing,
      stopped: nothing,
    },
    sockets: {
      opened: nothing,
      welcomed: nothing,
      closed: nothing,
      frameCame: nothing,
      refused: nothing,
      failed: (connection, error) => void troubles.push({ connection, error }),
      sessionOpened: nothing,
      frameSent: nothing,
      deltaSent: nothing,
      held: nothing,
      addedLatency: nothing,
      traced: (_request, _connection, _traceparent, serve) => serve(),
    },
    http: { answered: nothing },
    store: { connected: nothing, unknownVersion: nothing, repaired: nothing, shareRefused: nothing },
    watchTargets: nothing,
    metrics: () => Promise.resolve({ contentType: 'text/plain', body: '' }),
    close: () => Promise.resolve(),
  }
}
