/**
 * How a stream of `socket-io.mjs` is read: Socket.IO's own client, over WebSocket from the start, as `socket-io-client.d.mts`
 * promises it. Plain JavaScript, because its packages are here alone: the types of the project must not need them.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { Agent } from 'node:http'
import { io } from 'socket.io-client'

export function socketIoDialect(url) {
  return {
    async open() {
      const agent = new ConnectionAgent()
      const socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false, agent })
      await once(socket, 'connect')
      return {
        receivedBytes: () => agent.connection.bytesRead,
        answer: (question, heard) => answer(socket, question, heard),
        close: () => socket.disconnect(),
      }
    },
  }
}

/** Keeps the connection it made, whose bytes are counted. */
class ConnectionAgent extends Agent {
  createConnection(options, callback) {
    this.connection = super.createConnection(options, callback)
    return this.connection
  }
}

function answer(socket, { content, model }, heard) {
  return new Promise((resolve, reject) => {
    let nowMs = 0
    // Its first listener of all: before the packet is decoded, as for the other servers' frames.
    socket.io.engine.on('packet', () => {
      nowMs = performance.timeOrigin + performance.now()
      heard.frame()
    })
    socket.on('delta', ({ text }) => heard.text(text, nowMs))
    socket.on('done', resolve)
    socket.on('disconnect', (reason) => reject(new Error(`the socket closed before the answer ended: ${reason}`)))
    socket.emit('ask', { chat: randomUUID(), model, content })
  })
}
