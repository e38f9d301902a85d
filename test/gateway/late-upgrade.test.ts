import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway } from '../support/gateway.ts'

test('[CONN-36] a socket whose upgrade is under way when the node begins to leave is sent elsewhere at once', async () => {
  const gateway = await startTestGateway()
  const client = connect(gateway.gateway.port, '127.0.0.1')
  await once(client, 'connect')
  // In one piece with a request that is answered: by its answer the beginning of the upgrade was read too.
  const asked = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
  client.write(`${asked}GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`)
  const chunks: Buffer[] = []
  client.on('data', (chunk: Buffer) => void chunks.push(chunk))
  await once(client, 'data')
  const drained = gateway.gateway.drain()
  client.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  await once(client, 'close')
  const received = Buffer.concat(chunks)
  const upgraded = received.indexOf('HTTP/1.1 101 ')
  expect(upgraded, received.toString('latin1')).toBeGreaterThan(0)
  const frame = received.subarray(received.indexOf('\r\n\r\n', upgraded) + 4)
  expect([frame[0], frame.readUInt16BE(2)]).toEqual([0x88, closeCodes.goingAway])
  await drained
  expect(gateway.gateway.state().sockets).toBe(0)
  await gateway.model.close()
})
