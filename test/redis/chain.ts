import type { Redis } from 'ioredis'
import { placeAfter } from '../../sessions/record-payload.ts'

/** The ids of a log as Redis has them, and as they follow from the records by themselves. */
export async function chainOf(client: Redis, key: string) {
  const entries = await client.xrange(key, '-', '+')
  let place = { seq: 0, mark: 0 }
  const computed = entries.map(([, fields]) => {
    place = placeAfter(place, fields[1] ?? '')
    return `${place.seq}-${place.mark}`
  })
  return { stored: entries.map(([id]) => id), computed }
}
