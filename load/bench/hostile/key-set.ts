import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

/** A key set endpoint on loopback: `answering` has one RSA key, `silent` takes requests and says nothing. */
export async function startKeySet(kind: 'silent' | 'answering'): Promise<{ readonly url: string; stop(): void }> {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 })
  const keys = [{ ...publicKey.export({ format: 'jwk' }), kid: 'known', alg: 'RS256', use: 'sig' }]
  const server = createServer((_request, response) => {
    if (kind === 'answering') response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    url: `http://127.0.0.1:${port}/keys`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
