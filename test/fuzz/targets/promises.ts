/** What several targets expect of an answer. */
import assert from 'node:assert/strict'

/** Longest message of a refusal, in UTF-16 units: it goes into a frame, a log line or a terminal. */
const messageMax = 2_000

/** A refusal is for people: short, whole, without control characters, and it never repeats what it refuses. */
export function assertMessage(message: string): void {
  assert.ok(message.length > 0, 'a refusal says nothing')
  assert.ok(message.length <= messageMax, `a refusal of ${message.length} characters: it repeats what was sent`)
  assert.ok(message.isWellFormed(), 'a refusal is no well-formed text')
}

/** Numbers as `#`, so that messages which differ in one alone are one kind of answer. */
export function kindOf(message: string): string {
  return message.replaceAll(/\d+/g, '#').slice(0, 80)
}
