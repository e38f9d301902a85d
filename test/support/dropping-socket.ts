import { WebSocket } from 'ws'

/** When sockets of a client die: the test says, and asserts how many did. */
export interface Drops {
  /** A WebSocket class for one client. */
  readonly WebSocket: typeof WebSocket
  /** Kills the client's socket now, without a close frame; false when there is none that is open. */
  kill(): boolean
  /** Kills each socket after it sent `session.open`, before the answer can come, as many times as said. */
  killOpens(times: number): void
  readonly killCount: number
  readonly killedOpenCount: number
  /** Frames of that type that came over all its sockets. */
  heardCount(type: string): number
}

export function dropping(): Drops {
  let current: WebSocket | undefined
  let killCount = 0
  let killedOpenCount = 0
  let opensToKill = 0
  const heard = new Map<string, number>()
  class DroppingSocket extends WebSocket {
    constructor(url: string, protocols: string[]) {
      super(url, protocols)
      current = this
      this.on('message', (data) => {
        const { type } = JSON.parse(String(data))
        heard.set(type, (heard.get(type) ?? 0) + 1)
      })
    }

    override send(data: string): void {
      super.send(data)
      if (opensToKill === 0 || !data.includes('"session.open"')) return
      opensToKill--
      killedOpenCount++
      killCount++
      // What was sent is on its way; nothing is read any more.
      this.terminate()
    }
  }
  return {
    // The constructor's parameters are those that a browser's class has.
    WebSocket: DroppingSocket as unknown as typeof WebSocket,
    kill() {
      if (current?.readyState !== WebSocket.OPEN) return false
      killCount++
      current.terminate()
      return true
    },
    killOpens(times) {
      opensToKill = times
    },
    get killCount() {
      return killCount
    },
    get killedOpenCount() {
      return killedOpenCount
    },
    heardCount: (type) => heard.get(type) ?? 0,
  }
}
