import { describe, expect, test } from 'vitest'
import { testedTransports } from '../../support/transports.ts'
import { RawClient } from '../transport/clients.ts'
import { startStation } from './station.ts'

describe.each(testedTransports)('broken uploads on %s', (transport) => {
  test.each([
    ['is dropped in the middle', 'Content-Length: 100\r\n\r\n{"con'],
    ['is dropped between two chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"con\r\n'],
    ['has a malformed chunk', 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"con\r\nzz\r\nzz'],
  ])('[HTTP-103] one that %s is no error', async (_, rest) => {
    await using station = await startStation({ transport })
    const head = [
      'POST /v1/sessions HTTP/1.1',
      'Host: localhost',
      'Content-Type: application/json',
      `Authorization: Bearer ${await station.token('ann')}`,
    ].join('\r\n')
    const raw = new RawClient(station.port, `${head}\r\n${rest}`)
    // Its body is being read: other requests that came later were answered.
    for (let count = 0; count < 3; count += 1) await (await station.call('/v1/sessions')).text()
    raw.tcp.destroy()
    const messages = () => station.lines.map(({ message }) => String(message))
    await expect.poll(messages).toContain('the client went away before its answer')
    expect(messages().filter((message) => message.includes('bug'))).toEqual([])
    expect(station.lines.filter((line) => 'err' in line)).toEqual([])
  })

  test('[HTTP-103] nor is what a request throws whose client is gone', async () => {
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    const failing = async () => {
      asked.resolve()
      await answer.promise
      throw new Error('its client is gone')
    }
    await using station = await startStation({
      transport,
      between: (log) =>
        new Proxy(log, {
          get: (target, name) => (name === 'list' ? failing : Reflect.get(target, name).bind(target)),
        }),
    })
    const token = await station.token('ann')
    const request = `GET /v1/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`
    const raw = new RawClient(station.port, request)
    await asked.promise
    raw.tcp.destroy()
    await (await fetch(`${station.url}/healthz`)).text()
    answer.resolve()
    await expect.poll(() => station.answered.some(({ route }) => route === '/v1/sessions')).toBe(true)
    expect(station.lines.filter(({ message }) => String(message).includes('bug'))).toEqual([])
  })
})
