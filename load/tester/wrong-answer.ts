/** What was checked and did not hold. */
export type Check =
  | 'frame'
  | 'order'
  | 'position'
  | 'once'
  | 'question'
  | 'reset'
  | 'resume'
  | 'stranger'
  | 'cancelled'
  | 'length'
  | 'hash'
  | 'text'
  | 'history'
  | 'behind'

/** The gateway said or delivered something that cannot be. */
export class WrongAnswer extends Error {
  readonly check: Check

  constructor(check: Check, message: string) {
    super(message)
    this.check = check
  }
}
