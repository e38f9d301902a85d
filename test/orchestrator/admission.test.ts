import { describe, expect, it } from 'vitest'
import { createAdmission } from '../../orchestrator/admission.ts'
import { encodedContentBytes, ratedSubjectsMax } from '../../orchestrator/limits.ts'
import { owner } from './bench.ts'

const limits = { contentBytes: 128 * 1024, messagesPerMinute: 0, runningTurnsMax: 3, promptTokens: 100_000 }
const idle = { runningCount: 0, unacknowledgedBytes: 0 }
const still = { monotonicMs: () => 0 }
const applicant = (content: string) => ({ owner, content, system: 'Be kind.' })

describe('admission', () => {
  it('[TURN-26] refuses a message over the limit of bytes, of encoded bytes or of tokens as too large', () => {
    const admission = createAdmission(limits, still)
    expect(admission.admit(applicant('a'.repeat(limits.contentBytes)), idle)).toBeUndefined()
    expect(admission.admit(applicant('é'.repeat(limits.contentBytes / 2 + 1)), idle)).toMatchObject({
      kind: 'too-large',
    })
    const escaped = '\u0001'.repeat(encodedContentBytes / 6)
    expect(admission.admit(applicant(escaped), idle)).toMatchObject({ kind: 'too-large' })
    expect(admission.admit(applicant(escaped.slice(1)), idle)).toBeUndefined()
    const small = createAdmission({ ...limits, promptTokens: 20 }, still)
    expect(small.admit(applicant('word '.repeat(20)), idle)).toMatchObject({ kind: 'too-large', retryable: false })
  })

  it('[TURN-27] refuses what is above the node’s running turns as busy', () => {
    const admission = createAdmission(limits, still)
    expect(admission.admit(applicant('hi'), { ...idle, runningCount: 2 })).toBeUndefined()
    expect(admission.admit(applicant('hi'), { ...idle, runningCount: 3 })).toMatchObject({
      kind: 'busy',
      retryable: true,
    })
  })

  it('[TURN-28] lets a subject send its messages a minute, and says when the next may come', () => {
    let nowMs = 0
    const admission = createAdmission({ ...limits, messagesPerMinute: 3 }, { monotonicMs: () => nowMs })
    const send = (subject: string) => admission.admit({ ...applicant('hi'), owner: { tenant: 't', subject } }, idle)
    expect([send('a'), send('a'), send('a')]).toEqual([undefined, undefined, undefined])
    expect(send('a')).toMatchObject({ kind: 'rate-limited', retryAfterMs: 20_000 })
    expect(send('b')).toBeUndefined()
    nowMs = 19_999
    expect(send('a')).toMatchObject({ kind: 'rate-limited', retryAfterMs: 1 })
    nowMs = 20_000
    expect(send('a')).toBeUndefined()
    nowMs = 1_000_000
    expect([send('a'), send('a'), send('a'), send('a')?.kind]).toEqual([
      undefined,
      undefined,
      undefined,
      'rate-limited',
    ])
  })

  it('[TURN-28] remembers a bounded number of subjects, the longest unseen forgotten first', () => {
    const admission = createAdmission({ ...limits, messagesPerMinute: 1 }, still)
    const send = (subject: string) =>
      admission.admit({ ...applicant('hi'), owner: { tenant: 't', subject } }, idle)?.kind
    expect([send('first'), send('second'), send('first')]).toEqual([undefined, undefined, 'rate-limited'])
    for (let index = 2; index < ratedSubjectsMax; index++) send(`subject ${index}`)
    expect(send('first')).toBe('rate-limited')
    send('one more')
    expect([send('first'), send('second')]).toEqual(['rate-limited', undefined])
  })
})
