import { describe, expect, it } from 'vitest'
import type { Scope } from '../../../gateway/auth/identity.ts'
import { type Operation, operationOf, permissionFor, permit } from '../../../gateway/auth/permissions.ts'

// Written out once more, by scope and not by operation: a slip in the table shows here.
const anyone: readonly Operation[] = ['hello', 'token.refresh', 'ping', 'session.close']
const either: readonly Operation[] = ['session.open', 'turn.read', 'turn.stream']
const chat: readonly Operation[] = [
  'session.create',
  'session.update',
  'session.delete',
  'message.send',
  'turn.cancel',
  'feedback.give',
]
const history: readonly Operation[] = ['session.list', 'history.get']
const admin: readonly Operation[] = ['node.read']
const all = [...anyone, ...either, ...chat, ...history, ...admin]

const permitted = (...scopes: readonly Scope[]): readonly Operation[] =>
  all.filter((operation) => permit({ scopes: new Set(scopes) }, operation).kind === 'permitted')

describe('permissions', () => {
  it('[AUTH-28] each scope permits its own operations and implies no other', () => {
    expect(permitted()).toEqual(anyone)
    expect(permitted('chat')).toEqual([...anyone, ...either, ...chat])
    expect(permitted('history')).toEqual([...anyone, ...either, ...history])
    expect(permitted('admin')).toEqual([...anyone, ...admin])
    expect(permitted('chat', 'history', 'admin')).toEqual(all)
  })

  it('[AUTH-28] a refusal names the operation and the scope to ask for', () => {
    expect(permit({ scopes: new Set(['chat']) }, 'node.read')).toEqual({
      kind: 'forbidden',
      message: 'node.read needs a token with the scope admin',
    })
    expect(permit({ scopes: new Set(['admin']) }, 'session.open')).toMatchObject({
      message: 'session.open needs a token with the scope chat or history',
    })
    expect(permissionFor('history.get')).toEqual(['history'])
  })

  it('[AUTH-29] opening without a session is making one, with a key too', () => {
    expect(operationOf({ type: 'session.open', id: '1' })).toBe('session.create')
    expect(operationOf({ type: 'session.open', id: '1', key: 'k' })).toBe('session.create')
    expect(operationOf({ type: 'session.open', id: '1', session: 's' })).toBe('session.open')
    expect(operationOf({ type: 'turn.cancel', id: '1', session: 's', turn: 't' })).toBe('turn.cancel')
  })
})
