import { describe, expect, it } from 'vitest'
import { createAnswer, RestartedError } from '../../client/answer.ts'
import type { AnswerResult } from '../../client/event.ts'

const result: AnswerResult = {
  kind: 'completed',
  ending: 'whole',
  text: '',
  bytes: 0,
  sha256: '',
  usage: undefined,
  finishReason: 'stop',
}
const nothing = () => undefined

describe('an answer', () => {
  it('[CLIENT-40] yields what comes, to each iteration from the first character, until its end', async () => {
    const { answer, add, end } = createAnswer('m1', nothing)
    add('one ')
    const early = collect(answer)
    await Promise.resolve()
    add('two')
    end(result)
    expect((await early).join('')).toBe('one two')
    expect((await collect(answer)).join('')).toBe('one two')
    expect(await answer.result).toBe(result)
  })

  it('[CLIENT-41] never yields repeated text twice', async () => {
    const { answer, add, cut, end } = createAnswer('m1', nothing)
    const pieces = answer[Symbol.asyncIterator]()
    add('abcdef')
    expect(await pieces.next()).toMatchObject({ value: 'abcdef' })
    cut('abc', true)
    add('de')
    add('fgh')
    end(result)
    expect(await pieces.next()).toMatchObject({ value: 'gh' })
    expect(await pieces.next()).toMatchObject({ done: true })
  })

  it('[CLIENT-42] goes on after a restart that keeps what was yielded, and throws after one that does not', async () => {
    const { answer, add, cut, end } = createAnswer('m1', nothing)
    const [appended, events] = [answer[Symbol.asyncIterator](), answer.events[Symbol.asyncIterator]()]
    add('abc')
    await Promise.all([appended.next(), events.next()])
    cut('abc', false)
    add('d')
    expect(await appended.next()).toMatchObject({ value: 'd' })
    expect(await events.next()).toMatchObject({ value: { type: 'text', text: 'd' } })
    cut('ab', false)
    add('X')
    end(result)
    await expect(appended.next()).rejects.toThrow(RestartedError)
    expect(await events.next()).toMatchObject({ value: { type: 'restart', keep: 2 } })
    expect(await events.next()).toMatchObject({ value: { type: 'text', text: 'X' } })
  })
})

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}
