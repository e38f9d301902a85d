import { describe, expect, it } from 'vitest'
import { createAdmission } from '../../orchestrator/admission.ts'
import { encodedContentBytes } from '../../orchestrator/limits.ts'

const limits = { contentBytes: 128 * 1024, runningTurnsMax: 3, promptTokens: 100_000 }
const idle = { runningCount: 0, unacknowledgedBytes: 0 }
const applicant = (content: string) => ({ content, system: 'Be kind.' })

describe('admission', () => {
  it('[TURN-26] refuses a message over the limit of bytes, of encoded bytes or of tokens as too large', () => {
    const admission = createAdmission(limits)
    expect(admission.admit(applicant('a'.repeat(limits.contentBytes)), idle)).toBeUndefined()
    expect(admission.admit(applicant('é'.repeat(limits.contentBytes / 2 + 1)), idle)).toMatchObject({
      kind: 'too-large',
    })
    const escaped = '\u0001'.repeat(encodedContentBytes / 6)
    expect(admission.admit(applicant(escaped), idle)).toMatchObject({ kind: 'too-large' })
    expect(admission.admit(applicant(escaped.slice(1)), idle)).toBeUndefined()
    const small = createAdmission({ ...limits, promptTokens: 20 })
    expect(small.admit(applicant('word '.repeat(20)), idle)).toMatchObject({ kind: 'too-large', retryable: false })
  })

  it('[TURN-27] refuses what is above the node’s running turns as busy', () => {
    const admission = createAdmission(limits)
    expect(admission.admit(applicant('hi'), { ...idle, runningCount: 2 })).toBeUndefined()
    expect(admission.admit(applicant('hi'), { ...idle, runningCount: 3 })).toMatchObject({
      kind: 'busy',
      retryable: true,
    })
  })
})
