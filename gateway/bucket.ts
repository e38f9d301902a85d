/** A token bucket as a value: fills at `perSecond` up to `capacity`; may be overdrawn, so that a flood is remembered. */
export interface Bucket {
  readonly level: number
  readonly atMs: number
}

export function take(bucket: Bucket, capacity: number, perSecond: number, nowMs: number): Bucket {
  const filled = Math.min(capacity, bucket.level + (Math.max(0, nowMs - bucket.atMs) * perSecond) / 1000)
  return { level: filled - 1, atMs: nowMs }
}

/** Milliseconds until the bucket can give one again. */
export function untilNextMs(bucket: Bucket, perSecond: number): number {
  return Math.max(1, Math.ceil(((1 - bucket.level) * 1000) / perSecond))
}
