import type { TurnView } from '../../client/index.ts'

/**
 * A name for a turn that stays. An own message has its turn's id only later, and a turn at the border of a page has its
 * message's id only with the page before; with another name it would be drawn anew, and the view would jump.
 */
export function createTurnKeys(): (turn: TurnView) => string {
  const keys = new Map<string, string>()
  return ({ turn, messageId }) => {
    const known = keys.get(`turn ${turn}`) ?? keys.get(`message ${messageId}`)
    const key = known ?? messageId ?? turn ?? ''
    if (turn !== undefined) keys.set(`turn ${turn}`, key)
    if (messageId !== undefined) keys.set(`message ${messageId}`, key)
    return key
  }
}
