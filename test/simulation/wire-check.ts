import type { Down } from '../../protocol/down.ts'

interface Place {
  seq: number
  attempt: number
  ends: number[]
}

/** What one socket is sent of each session: records without a hole, deltas that begin where the ones before ended. */
export class WireCheck {
  readonly #places = new Map<string, Place>()

  sent(frame: Down): void {
    if (frame.type === 'session.opened') {
      const { session, seq, turn } = frame
      this.#places.set(session, { seq, attempt: turn?.attempt ?? 0, ends: [...(turn?.ends ?? [])] })
      return
    }
    if (!('session' in frame) || typeof frame.session !== 'string') return
    const place = this.#places.get(frame.session)
    if (place === undefined) return
    if (frame.type === 'turn.delta') return this.#delta(place, frame)
    if (!('seq' in frame) || !('mark' in frame) || 'ref' in frame) return
    if (frame.seq !== place.seq + 1) throw new Error(`record ${frame.seq} was sent after ${place.seq}`)
    place.seq = frame.seq
    // Only after its text, which the live frame does not carry.
    if ('sha256' in frame && frame.attempt > 0 && frame.text === undefined && (place.ends[0] ?? 0) < frame.bytes)
      throw new Error(`${frame.turn}: its end at ${frame.bytes} was sent after ${place.ends[0] ?? 0}`)
    if (frame.type === 'message.added') Object.assign(place, { attempt: 0, ends: [] })
    if (frame.type === 'turn.started') Object.assign(place, { attempt: frame.attempt, ends: [] })
    if (frame.type === 'turn.restarted') {
      const { keep, attempt } = frame
      const kept = keep !== undefined && keep.attempt === place.attempt ? Math.min(keep.end, place.ends[0] ?? 0) : 0
      Object.assign(place, { attempt, ends: kept > 0 ? [kept] : [] })
    }
  }

  #delta(place: Place, { attempt, part, at, end, turn }: Extract<Down, { type: 'turn.delta' }>): void {
    if (attempt !== place.attempt || at !== (place.ends[part] ?? 0))
      throw new Error(`${turn}: a delta of ${attempt} at ${at} was sent after ${place.attempt} to ${place.ends[part]}`)
    place.ends[part] = end
  }
}
