import type { AddressInfo, Server } from 'node:net'

export function portOf(server: Server): number {
  // A listening TCP server has an address of this kind.
  return (server.address() as AddressInfo).port
}
