import { expect, test } from 'vitest'
import { describeConnection } from '../../web/chat/words.ts'

test('[WEB-300] the page says why the server did not accept the sign-in, and why it is unable to connect', () => {
  const stopped = (reason: string) => describeConnection({ kind: 'stopped', code: 4400, reason }, false, false)
  expect(stopped('the token has expired')).toBe('The server did not accept the sign-in: the token has expired.')
  expect(stopped('')).toBe('The server did not accept the sign-in.')
  const error = { kind: 'unavailable', message: 'the keys cannot be fetched now', retryable: true } as const
  const waiting = { kind: 'waiting', retryAtMs: 0, dials: 1 } as const
  expect(describeConnection({ ...waiting, error }, false, false)).toBe(
    'Unable to connect: the keys cannot be fetched now.',
  )
  expect(describeConnection(waiting, false, false)).toBe('Unable to connect.')
})
