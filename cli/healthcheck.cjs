'use strict'

// The image's health check: exit 0 when the gateway in this container answers /healthz. It follows the gateway's own
// variables, so another address, port or TLS does not make a healthy container look ill.

const isTls = Boolean(process.env.SLUICE_TLS_CERT_FILE)
const { get } = require(isTls ? 'node:https' : 'node:http')

const ANSWER_TIMEOUT_MS = 2500

/** Listening on every address is no address to ask. */
const host = (process.env.HOST || '').trim()
const everywhere = new Map([
  ['', '127.0.0.1'],
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

const request = get(
  {
    host: everywhere.get(host) ?? host,
    port: process.env.PORT || 8080,
    path: '/healthz',
    timeout: ANSWER_TIMEOUT_MS,
    // The certificate names the public host, which this is not; nothing secret is sent.
    rejectUnauthorized: false,
  },
  (response) => process.exit(response.statusCode === 200 ? 0 : 1),
)
request.on('timeout', () => process.exit(1))
request.on('error', () => process.exit(1))
