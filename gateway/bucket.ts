/** A token bucket as a value: fills at `perSecond` up to `capacity`; may be overdrawn, so that a flood is remembered. */
export interface Bucket {
  readonly level: number
  readonly atMs: number
}

/** Takes `cost`, at most the capacity, so that whatever finds the bucket full is within the rate. */
export function take(bucket: Bucket, capacity: number, perSecond: number, nowMs: number, cost = 1): Bucket {
  const filled = Math.min(capacity, bucket.level + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000)
  return { level: filled - Math.min(cost, capacity), atMs: nowMs }
}

/** Milliseconds until the bucket can give `cost` again. */
export function untilNextMs(bucket: Bucket, perSecond: number, cost = 1): number {
  return Math.max(1, Math.ceil(((cost - bucket.level) * 1000) / perSecond))
}
