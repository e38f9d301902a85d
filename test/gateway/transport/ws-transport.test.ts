import { createWsTransport } from '../../../gateway/transport/ws-transport.ts'
import { transportContract } from './contract.ts'

transportContract({
  name: 'ws',
  create: createWsTransport,
  differences: {
    oversize: 1009,
    invalidUtf8: 1007,
    unansweredClose: 1006,
    headAhead: true,
    countsPieces: true,
    oldHttp: true,
  },
})
