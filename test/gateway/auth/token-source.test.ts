import { describe, expect, it } from 'vitest'
import { readUpgradeToken } from '../../../gateway/auth/token-source.ts'

const SOCKET = '/v1/socket'

describe('the token of an upgrade', () => {
  it.each(['Bearer a.b.c', 'bearer a.b.c', 'BEARER a.b.c', '  Bearer   a.b.c  ', 'Bearer\ta.b.c'])(
    '[AUTH-26] %o gives the token, whatever the case of the scheme',
    (header) => {
      expect(readUpgradeToken(SOCKET, header)).toEqual({ kind: 'token', token: 'a.b.c' })
    },
  )

  it.each([undefined, '', ' ', 'Basic YTpi', 'Bearers a.b.c', 'a.b.c', 'DPoP a.b.c'])(
    '[AUTH-26] %o brings no token; hello may',
    (header) => {
      expect(readUpgradeToken(SOCKET, header)).toEqual({ kind: 'none' })
    },
  )

  it.each(['Bearer', 'bearer ', 'Bearer a b', `Bearer ${'x'.repeat(16_385)}`])(
    '[AUTH-26] a Bearer header that is not one token of at most 16 KiB is refused: %s',
    (header) => {
      const read = readUpgradeToken(SOCKET, header)
      expect(read.kind).toBe('refused')
      expect(JSON.stringify(read)).not.toContain('xxx')
    },
  )

  it.each([
    'token=a.b.c',
    'access_token=a.b.c',
    'x=1&token=a.b.c',
    'TOKEN=a.b.c',
    'Access_Token=a.b.c',
    '%74oken=a.b.c',
    'access%5Ftoken=a.b.c',
    'token',
    'token=&token=a.b.c',
  ])('[AUTH-27] a token in the URL (%s) is refused, also beside a good header', (query) => {
    for (const header of [undefined, 'Bearer a.b.c']) {
      const read = readUpgradeToken(`${SOCKET}?${query}`, header)
      expect(read).toEqual({
        kind: 'in-url',
        message: 'a token in the URL is not accepted; send it in hello or in the Authorization header',
      })
    }
  })

  it.each(['?', '?session=token', '?tokens=1', '?my_token=1', '#token=1', '?a=b#token=1', '?%'])(
    '[AUTH-27] other queries are no concern: %s',
    (suffix) => {
      expect(readUpgradeToken(`${SOCKET}${suffix}`, 'Bearer a.b.c')).toEqual({ kind: 'token', token: 'a.b.c' })
    },
  )
})
