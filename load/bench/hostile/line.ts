import type { Stage } from './stage.ts'

/** Who attacks: without a token; on a socket that was welcomed; with a token, over HTTP or on sockets. */
export type Attacker = 'stranger' | 'greeted' | 'subject'

/** What the line's bound is counted by. */
export type Counted = 'socket' | 'address' | 'subject'

/** Sends until it is done or the stage's time is over. What it opened stays open. */
export type Attack = () => Promise<unknown>

/** One line of the table of attacks. */
export interface Line {
  readonly who: Attacker
  readonly per: Counted
  /** What is sent, for people. */
  readonly sends: string
  readonly connectionCount: number
  /** The most time that it sends and holds, in seconds. */
  readonly seconds: number
  /** What the gateway's key set endpoint does; default: there is none. `silent`: it accepts and says nothing. */
  readonly keySet?: 'silent' | 'answering'
  /** Readies what is not measured, as sockets that are welcome, sessions and records. */
  prepare(stage: Stage): Attack | Promise<Attack>
}

/** No line takes longer than this, in seconds. */
export const lineSecondsMax = 30
