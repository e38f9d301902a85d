import { type Refusal, refusal } from '../protocol/error.ts'
import type { Up } from '../protocol/up.ts'
import { answerCostBytes, frameCostLength, pageCostFrames, tooFastSeconds } from './bounds.ts'
import { type Bucket, take, untilNextMs } from './bucket.ts'

/**
 * What a socket's frames, requests and answers count for against its rate, in frames. The price follows the work: a large
 * frame is parsed, a page is read and encoded. So one rate bounds them all.
 */

/** How many frames one of this length counts for. */
export function frameCost(length: number): number {
  return Math.max(1, Math.ceil(length / frameCostLength))
}

/** What a request counts for beyond its own size. */
export function requestCost({ type }: Up): number {
  return type === 'session.list' || type === 'history.get' ? pageCostFrames - 1 : 0
}

/** What an answer of so many bytes counts for. */
export function answerCost(bytes: number): number {
  return Math.floor(bytes / answerCostBytes)
}

/** Where a socket stands after it was charged. `over`: this frame is refused. `flood`: the socket is closed. */
export function rateOf({ level }: Bucket, framesPerSecond: number): 'within' | 'over' | 'flood' {
  if (level >= 0) return 'within'
  return level >= -tooFastSeconds * framesPerSecond ? 'over' : 'flood'
}

/** An answer is charged once it was sent, and never closes a socket: it costs at most a second of silence. */
export function afterAnswer(
  frames: Bucket,
  framesPerSecond: number,
  { bytes, nowMs }: { readonly bytes: number; readonly nowMs: number },
): Bucket {
  const cost = answerCost(bytes)
  if (cost === 0) return frames
  const taken = take(frames, framesPerSecond, framesPerSecond, nowMs, cost)
  return { ...taken, level: Math.max(taken.level, Math.min(frames.level, -framesPerSecond)) }
}

export function tooFast(frames: Bucket, framesPerSecond: number, cost: number): Refusal {
  const message = `more than ${framesPerSecond} frames a second, large ones counted several times: send it again later`
  return refusal('rate-limited', message, untilNextMs(frames, framesPerSecond, Math.min(cost, framesPerSecond)))
}

export function subjectTooFast(waitMs: number): Refusal {
  return refusal('rate-limited', 'the subject sends too much on all its sockets together: send it again later', waitMs)
}
