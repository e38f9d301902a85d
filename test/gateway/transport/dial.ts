import { connect } from 'node:net'
import { workerData } from 'node:worker_threads'

/** A thread that dials so many connections at once and tells in `dialed` when all of them stand. */
const { port, count, dialed } = workerData as { port: number; count: number; dialed: Int32Array } // boundary: a test's
let standing = 0
for (let n = 0; n < count; n++) {
  const socket = connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  socket.once('connect', () => {
    standing++
    if (standing < count) return
    Atomics.store(dialed, 0, count)
    Atomics.notify(dialed, 0)
  })
}
