import { describe, expect, test } from 'vitest'
import { chooseTransport } from '../../../gateway/transport/choose-transport.ts'
import { loadUws } from '../../../gateway/transport/load-uws.ts'
import { createWsTransport } from '../../../gateway/transport/ws-transport.ts'

const NOWHERE = '/nowhere/uws.js'

describe('the choice of a transport', () => {
  test('[SOCKET-33] a library that is missing is a value that says how to get it', async () => {
    const loaded = await loadUws(NOWHERE)
    expect(loaded).toEqual({ kind: 'missing', message: expect.stringMatching(/nowhere.*glibc 2\.38.*SLUICE_UWS_PATH/) })
  })

  test('[SOCKET-33] a module that is something else is missing too', async () => {
    expect(await loadUws(import.meta.filename.replace('choose-transport.test', 'arrivals'))).toMatchObject({
      kind: 'missing',
      message: expect.stringContaining('is not uWebSockets.js'),
    })
  })

  test('[SOCKET-33] auto falls back to ws and says so', async () => {
    const log = recordingLog()
    expect(await chooseTransport('auto', NOWHERE, log)).toBe(createWsTransport)
    expect(log.lines).toMatchObject([{ fields: { transport: 'ws', why: expect.any(String) } }])
  })

  test('[SOCKET-33] ws never looks for the other', async () => {
    const log = recordingLog()
    expect(await chooseTransport('ws', NOWHERE, log)).toBe(createWsTransport)
    expect(log.lines).toEqual([{ fields: { transport: 'ws' }, message: 'transport chosen' }])
  })

  test('[SOCKET-33] uws refuses to start without its library', async () => {
    await expect(chooseTransport('uws', NOWHERE, recordingLog())).rejects.toThrow('unable to load uWebSockets.js')
  })
})

function recordingLog() {
  const lines: { fields: object; message: string }[] = []
  const write = (fields: object, message: string) => {
    lines.push({ fields, message })
  }
  return { lines, info: write, warn: write, error: write }
}
