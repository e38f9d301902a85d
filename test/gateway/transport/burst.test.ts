import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, test } from 'vitest'
import { slowLaneBatch, slowLaneMax } from '../../../gateway/transport/http-limits.ts'
import { SlowLane } from '../../../gateway/transport/slow-lane.ts'
import { WsHttpConnections } from '../../../gateway/transport/ws-http-connections.ts'

test('[SOCKET-107] of a thousand requests that were sent at once Node reads no further than the second', async () => {
  const server = createServer()
  const connections = new WsHttpConnections(server, undefined)
  let readCount = 0
  server.on('request', (incoming, outgoing) => {
    readCount += 1
    connections.begin(incoming.socket, outgoing)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A server that listens on TCP has such an address.
  const { port } = server.address() as AddressInfo
  const client = connect(port, '127.0.0.1')
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1_000))
  await once(client, 'close')
  expect(readCount).toBe(2)
  connections.stop()
  server.close()
})

test('[SOCKET-108] connections of addresses above their rate are read a few at a time, in order, and a bounded number waits', async () => {
  const lane = new SlowLane()
  const served: number[] = []
  let closedCount = 0
  const inBatches = new Promise<number[]>((resolve) => {
    for (let n = 0; n < slowLaneMax + 3; n += 1) {
      const serve = () => {
        served.push(n)
        if (served.length === slowLaneBatch) resolve([...served])
      }
      lane.enter(serve, () => {
        closedCount += 1
      })
    }
  })
  expect(served).toEqual([])
  expect(await inBatches).toEqual(Array.from({ length: slowLaneBatch }, (_, n) => n))
  await expect.poll(() => closedCount, { timeout: 10_000 }).toBe(3)
  lane.stop()
  expect(served.length).toBeLessThanOrEqual(slowLaneMax)
})
