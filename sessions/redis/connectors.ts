import { SentinelConnector } from 'ioredis'
import connectors from 'ioredis/built/connectors/index.js'

/**
 * The driver's connectors, whose sockets are listened to for as long as they live. The driver hears an error once: a
 * connection over TLS that is given up in its handshake has two when the certificate is refused too (the refusal, and
 * the other side's alert), and one that nobody hears ends the process (ioredis 6.0.0, `StandaloneConnector.connect`).
 */
export class StandaloneSockets extends connectors.StandaloneConnector {
  override async connect(...given: Parameters<connectors.StandaloneConnector['connect']>) {
    return listenedTo(await super.connect(...given))
  }
}

export class SentinelSockets extends SentinelConnector {
  override async connect(...given: Parameters<SentinelConnector['connect']>) {
    return listenedTo(await super.connect(...given))
  }
}

function listenedTo<Stream extends NodeJS.EventEmitter>(stream: Stream): Stream {
  return stream.on('error', () => undefined)
}
