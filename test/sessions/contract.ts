import { describe } from 'vitest'
import type { MakeLog } from './contract/bench.ts'
import { describeClaims } from './contract/claims.ts'
import { describeEnds } from './contract/ends.ts'
import { describeFeedback } from './contract/feedback.ts'
import { describeHistories } from './contract/histories.ts'
import { describeModel } from './contract/model.ts'
import { describeSessions } from './contract/sessions.ts'
import { describeShares } from './contract/shares.ts'
import { describeTapes } from './contract/tapes.ts'
import { describeWatching } from './contract/watching.ts'

/**
 * The rules of the port `SessionLog`, run on each of its implementations. `makeLog` makes an empty store; who calls
 * closes what it made when its tests are over. A store that travels back in time is a fresh one that a part of the
 * same calls was made to: the arguments carry all ids and tokens, so it is the same store as far as anybody can see.
 */
export function describeSessionLogContract(name: string, makeLog: MakeLog): void {
  describe(`${name}: sessions`, () => describeSessions(makeLog))
  describe(`${name}: claims`, () => describeClaims(makeLog))
  describe(`${name}: tapes`, () => describeTapes(makeLog))
  describe(`${name}: ends`, () => describeEnds(makeLog))
  describe(`${name}: histories`, () => describeHistories(makeLog))
  describe(`${name}: watching`, () => describeWatching(makeLog))
  describe(`${name}: feedback`, () => describeFeedback(makeLog))
  describe(`${name}: shares`, () => describeShares(makeLog))
  describe(`${name}: model`, () => describeModel(makeLog))
}

export type { MakeLog } from './contract/bench.ts'
