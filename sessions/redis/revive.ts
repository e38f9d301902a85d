import type { Cluster, Redis } from 'ioredis'
import { reconnectMaxMs } from './limits.ts'

/**
 * Has a client connect again that the driver gave up. It does so, for good and whatever its retry strategy says, when
 * Sentinels tell of a failover at a moment at which it is asking them for the primary: which is what it does all the
 * time between the old primary's death and that message (ioredis 6.0.0, SentinelConnector.connect).
 *
 * Answers how to stop, which comes before disconnecting.
 */
export function revive(client: Redis | Cluster): () => void {
  let timer: NodeJS.Timeout | undefined
  const ended = () => {
    // What becomes of it is told by the client's events.
    timer = setTimeout(() => client.connect().catch(() => undefined), reconnectMaxMs)
  }
  client.on('end', ended)
  return () => {
    client.off('end', ended)
    clearTimeout(timer)
  }
}
