import { deltaTextBytes } from '../protocol/limits.ts'
import type { TurnLog } from './ports.ts'

/** All of part 0 of a turn's text as the store has it, slice by slice. Rejects when the store is away. */
export async function readWholeTape(log: Pick<TurnLog, 'read'>, session: string, turn: string): Promise<Buffer> {
  const pieces: Buffer[] = []
  let at = 0
  // Each slice has at least one character of a text that nobody may grow meanwhile, so this ends.
  for (let length = 1; at < length; ) {
    const reply = await log.read({ session, turn, part: 0, at, maxBytes: deltaTextBytes })
    if (reply.kind !== 'ok' || reply.text.length === 0) break
    pieces.push(reply.text)
    at += reply.text.length
    length = reply.length
  }
  return Buffer.concat(pieces)
}
