import type { Redis } from 'ioredis'
import { silenceLookMs, silentLooksMax } from './limits.ts'

/**
 * Destroys connections on which the same command waits for its answer through several looks, be it only their greeting:
 * a TCP connection to a stopped or cut off Redis looks healthy for minutes. What was asked on it is rejected by that.
 *
 * Each connection is judged alone, since in a cluster a dead node must not cost the others theirs. Looks are counted,
 * not time, so that a node that slept finds the answers that lie ready before it judges. The driver's `socketTimeout`
 * would do the same with a timer for nearly each command, ten microseconds of CPU for a token.
 *
 * Answers how to stop.
 */
export function endSilence(clients: () => readonly Redis[]): () => void {
  const waiting = new WeakMap<Redis, { readonly command: unknown; looks: number }>()
  const look = () => {
    for (const client of clients()) {
      const command = client.commandQueue.peekFront()
      const seen = waiting.get(client)
      if (command === undefined) waiting.delete(client)
      else if (seen?.command !== command) waiting.set(client, { command, looks: 1 })
      else if (++seen.looks > silentLooksMax) client.stream?.destroy()
    }
  }
  const timer = setInterval(look, silenceLookMs).unref()
  return () => clearInterval(timer)
}
