import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { closeCodes } from '../../protocol/close-code.ts'
import { startTestGateway } from '../support/gateway.ts'

/** What a client gets whose upgrade is sent in two halves, with the beginning of the drain between them. */
async function upgradeWhileLeaving(): Promise<Buffer> {
  await using gateway = await startTestGateway()
  const client = connect(gateway.gateway.port, '127.0.0.1')
  const chunks: Buffer[] = []
  client.on('data', (chunk: Buffer) => void chunks.push(chunk))
  client.on('error', () => undefined)
  const closed = new Promise((resolve) => client.once('close', resolve))
  await once(client, 'connect')
  // In one piece with a request that is answered: by its answer the beginning of the upgrade was read too.
  const asked = 'GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
  client.write(`${asked}GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`)
  await once(client, 'data')
  const drained = gateway.gateway.drain()
  client.write('Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n')
  await closed
  await drained
  expect(gateway.gateway.state().sockets).toBe(0)
  return Buffer.concat(chunks)
}

test('[CONN-36] a socket whose upgrade is under way when the node begins to leave is sent elsewhere at once', async () => {
  // Node may take the connection for idle and end it, which is as good for the client; not each time.
  for (let attempt = 0; attempt < 20; attempt++) {
    const received = await upgradeWhileLeaving()
    const upgraded = received.indexOf('HTTP/1.1 101 ')
    if (upgraded < 0) continue
    const frame = received.subarray(received.indexOf('\r\n\r\n', upgraded) + 4)
    expect([frame[0], frame.readUInt16BE(2)]).toEqual([0x88, closeCodes.goingAway])
    return
  }
  throw new Error('no upgrade was ever under way')
})
