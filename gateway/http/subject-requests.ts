import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Identity } from '../auth/identity.ts'
import { requestBodyBytes, strangerNamesMax, subjectBodyBytes, subjectRequestsAtOnce } from '../bounds.ts'
import { Buckets } from '../buckets.ts'
import { Counts } from '../counts.ts'

/** How many requests each subject makes on this node: a second, at once, and with how large bodies together. */
export class SubjectRequests {
  readonly #rate: Buckets
  readonly #atOnce: number
  readonly #costFactor: () => number
  readonly #underWay = new Counts()
  readonly #bodies = new Counts()

  /** `costFactor`: how many times a request counts against the rate. */
  constructor(requestsPerSecond: number, streamsPerSubject: number, costFactor: () => number) {
    const options = { capacity: requestsPerSecond, perSecond: requestsPerSecond, maxCount: strangerNamesMax }
    this.#rate = new Buckets(options)
    this.#atOnce = streamsPerSubject + subjectRequestsAtOnce
    this.#costFactor = costFactor
  }

  /** A request begins, and must be ended once; or why it may not. */
  begin({ tenant, subject }: Identity, bodyBytes: number, nowMs: number): Refusal | (() => void) {
    const name = JSON.stringify([tenant, subject])
    const waitMs = this.#rate.waitMs(name, nowMs)
    if (waitMs > 0) {
      return refusal('rate-limited', 'too many requests a second of this subject: send them more slowly', waitMs)
    }
    if (this.#underWay.of(name) >= this.#atOnce) {
      return refusal('rate-limited', 'too many requests of this subject at once: wait for their answers', 1_000)
    }
    if (this.#bodies.of(name) + bodyBytes > subjectBodyBytes) {
      return refusal('rate-limited', 'too large bodies of this subject at once: wait for their answers', 1_000)
    }
    this.#rate.take(name, this.#costFactor(), nowMs)
    this.#underWay.add(name)
    this.#bodies.add(name, bodyBytes)
    return () => {
      this.#underWay.remove(name)
      this.#bodies.remove(name, bodyBytes)
    }
  }
}

/** What a request's body takes at most, in bytes; a larger one is refused without being read. */
export function bodyBytesOf(headers: Headers): number {
  if (headers.has('transfer-encoding')) return requestBodyBytes
  const length = Number(headers.get('content-length') ?? 0)
  return length > requestBodyBytes ? 0 : length
}
