import { type Refusal, refusal } from '../../protocol/error.ts'
import type { Identity } from '../auth/identity.ts'
import { strangerNamesMax, subjectRequestsAtOnce } from '../bounds.ts'
import { Buckets } from '../buckets.ts'
import { Counts } from '../counts.ts'

/** How many requests each subject makes on this node: a second, and at once. */
export class SubjectRequests {
  readonly #rate: Buckets
  readonly #atOnce: number
  readonly #underWay = new Counts()

  constructor(requestsPerSecond: number, streamsPerSubject: number) {
    const options = { capacity: requestsPerSecond, perSecond: requestsPerSecond, maxCount: strangerNamesMax }
    this.#rate = new Buckets(options)
    this.#atOnce = streamsPerSubject + subjectRequestsAtOnce
  }

  /** A request begins, and must be ended once; or why it may not. */
  begin({ tenant, subject }: Identity, nowMs: number): Refusal | (() => void) {
    const name = JSON.stringify([tenant, subject])
    const waitMs = this.#rate.waitMs(name, nowMs)
    if (waitMs > 0) {
      return refusal('rate-limited', 'too many requests a second of this subject: send them more slowly', waitMs)
    }
    if (this.#underWay.of(name) >= this.#atOnce) {
      return refusal('rate-limited', 'too many requests of this subject at once: wait for their answers', 1_000)
    }
    this.#rate.take(name, 1, nowMs)
    this.#underWay.add(name)
    return () => this.#underWay.remove(name)
  }
}
