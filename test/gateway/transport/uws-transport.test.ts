import { describe, expect, test } from 'vitest'
import { loadUws } from '../../../gateway/transport/load-uws.ts'
import { createUwsTransport } from '../../../gateway/transport/uws-transport.ts'
import { transportContract } from './contract.ts'

const loaded = await loadUws(process.env.SLUICE_UWS_PATH)

if (loaded.kind === 'ok') {
  transportContract({
    name: 'uws',
    create: createUwsTransport(loaded.uws),
    differences: {
      oversize: 1006,
      invalidUtf8: 1006,
      unansweredClose: 4001,
      headAhead: false,
      countsPieces: false,
      oldHttp: false,
    },
  })
} else {
  const notRun = `NOT RUN: the transport contract on uWebSockets.js; npm test sets it up. ${loaded.message}`
  console.warn(notRun)
  describe(notRun, () => {
    test('in CI it runs', () => {
      expect(process.env.CI, loaded.message).not.toBe('true')
    })
  })
}
