import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { NewRecord } from '../../protocol/record.ts'
import { decodePayload, encodePayload, placeAfter, placeRecord } from '../../sessions/record-payload.ts'
import { asking, ending, started } from './contract/bench.ts'

const message: NewRecord = {
  ...asking(1).record,
  message: { messageId: 'm', content: 'ünd 😀 \ud800', metadata: { b: 1, a: 'x' } },
}

test('[STORE-90] a payload is canonical JSON with its version', () => {
  const payload =
    '{"record":{"message":{"content":"ünd 😀 \\ud800","messageId":"m","metadata":{"a":"x","b":1}},' +
    '"timeMs":1,"turn":"turn-1","type":"message.added"},"v":1}'
  expect(encodePayload(message)).toBe(payload)
  expect(encodePayload(started('t', 2), 'token')).toMatch(/^\{"openedBy":"token","record":\{"attempt":2,/)
})

test('[STORE-90] what was encoded is decoded, but for a terminal’s text', () => {
  expect(decodePayload(encodePayload(message))).toEqual({ kind: 'ok', record: message })
  const open = started('t', 1)
  expect(decodePayload(encodePayload(open, 'token'))).toEqual({ kind: 'ok', record: open, openedBy: 'token' })
  const { record } = ending({ token: 't', turn: 't', attempt: 1 }, ['text'])
  expect(decodePayload(encodePayload({ ...record, text: 'text' }))).toEqual({ kind: 'ok', record })
})

test('[STORE-91] what is of another version, of an unknown type, or no payload is told as unknown', () => {
  const foreign = ['', 'x', 'null', '[]', '{}', '{"v":1}', '{"v":2,"record":{"type":"message.added"}}']
  for (const payload of [...foreign, '{"v":1,"record":{"type":"turn.paused"}}', '{"v":1,"record":null}']) {
    expect(decodePayload(payload)).toEqual({ kind: 'unknown' })
  }
})

test('[STORE-92] a mark is the first 52 bits of SHA-1 over the place before and the payload', () => {
  const payload = encodePayload(message)
  const first = placeAfter({ seq: 0, mark: 0 }, payload)
  const digest = createHash('sha1').update(`0-0|${payload}`).digest('hex')
  expect(first).toEqual({ seq: 1, mark: Number(`0x${digest.slice(0, 13)}`) })
  const second = createHash('sha1').update(`1-${first.mark}|${payload}`).digest('hex')
  expect(placeAfter(first, payload)).toEqual({ seq: 2, mark: Number(`0x${second.slice(0, 13)}`) })
  expect(placeRecord(message, first)).toEqual({ ...message, ...first })
})
