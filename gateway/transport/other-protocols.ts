import { otherProtocolLogMs } from './http-limits.ts'
import type { TransportLog } from './transport.ts'

/** What a balancer that is set otherwise sends in place of HTTP/1.1, and what to do about it. */
export interface OtherProtocol {
  readonly name: string
  readonly advice: string
}

export const proxyProtocol: OtherProtocol = {
  name: 'PROXY protocol',
  advice:
    'this port does not take the PROXY protocol: switch it off in the balancer, and let that send X-Forwarded-For',
}
const tls: OtherProtocol = {
  name: 'TLS',
  advice:
    'this port speaks plain HTTP: set SLUICE_TLS_CERT_FILE and SLUICE_TLS_KEY_FILE, or let the balancer speak HTTP',
}
const http2: OtherProtocol = {
  name: 'HTTP/2',
  advice: 'this port speaks HTTP/1.1: let the balancer use that for its connections to the gateway',
}
export const plainHttp: OtherProtocol = {
  name: 'HTTP without TLS',
  advice: 'this port speaks TLS: let the balancer use that for its connections to the gateway',
}

const beginnings: readonly (readonly [string, OtherProtocol])[] = [
  ['PROXY ', proxyProtocol],
  ['\r\n\r\n\0\r\nQUIT\n', proxyProtocol],
  ['\x16\x03', tls],
  ['PRI * HTTP/2', http2],
]

/** By the first bytes of a connection. */
export function otherProtocolOf(bytes: Buffer): OtherProtocol | undefined {
  return beginnings.find(([beginning]) =>
    bytes.subarray(0, beginning.length).equals(Buffer.from(beginning, 'latin1')),
  )?.[1]
}

/** Says so in the log, from time to time: a balancer tries again every few seconds, and anybody may send such bytes. */
export class OtherProtocolReport {
  readonly #log: TransportLog
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(log: TransportLog) {
    this.#log = log
  }

  came({ name, advice }: OtherProtocol, address: string): void {
    const nowMs = performance.now()
    if (nowMs - this.#saidMs < otherProtocolLogMs) return
    this.#saidMs = nowMs
    this.#log.warn({ address, protocol: name }, `a connection speaks ${name}: ${advice}`)
  }
}
