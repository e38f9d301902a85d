/** What the gateway relies on, the same on every socket library. The rules are in docs/SPEC.md under SOCKET. */
import { describe } from 'vitest'
import { balancersContract } from './balancers-contract.ts'
import { boundsContract } from './bounds-contract.ts'
import { closingContract } from './closing-contract.ts'
import { connectionsContract } from './connections-contract.ts'
import { framesContract } from './frames-contract.ts'
import { httpContract } from './http-contract.ts'
import { lifecycleContract } from './lifecycle-contract.ts'
import type { Adapter } from './station.ts'
import { streamsContract } from './streams-contract.ts'
import { tlsContract } from './tls-contract.ts'

export function transportContract(adapter: Adapter): void {
  describe(`transport ${adapter.name}`, () => {
    framesContract(adapter)
    boundsContract(adapter)
    closingContract(adapter)
    httpContract(adapter)
    connectionsContract(adapter)
    streamsContract(adapter)
    lifecycleContract(adapter)
    tlsContract(adapter)
    balancersContract(adapter)
  })
}
