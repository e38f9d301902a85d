/**
 * An operator's regular expression, run over every message of every user, on the event loop.
 *
 * JavaScript's engine tries one way to match after the other; some patterns have so many that one message stops the node.
 * Telling those from others by their looks (nested quantifiers and the like) misses some and refuses good ones. So the
 * ways are counted: with every repetition bounded, each quantifier, option and alternative multiplies them by a known number,
 * and at one place the engine takes at most `ways` times the longest match in steps. A bounded match is also what an answer
 * that streams by can be searched with.
 */
import { matchLength, patternWays } from './bounds.ts'

export type PatternRead =
  | { readonly kind: 'ok'; readonly pattern: RegExp }
  | { readonly kind: 'wrong'; readonly words: string }

/** Compiled with `gu`. Never throws. */
export function readPattern(source: string): PatternRead {
  const wrong = (words: string): PatternRead => ({ kind: 'wrong', words })
  const pattern = compile(source)
  if (pattern === undefined) return wrong('is no regular expression; see its brackets and backslashes')
  const cost = new Measure(source).whole()
  if (cost === undefined) return wrong('refers back to a group, which has no bound; write what it should match')
  if (cost.longest === Number.POSITIVE_INFINITY)
    return wrong('has no longest match; set a bound, like {1,40}, in place of *, + and {1,}')
  if (cost.longest > matchLength) return wrong(`can match more than ${matchLength} characters; set smaller bounds`)
  if (cost.shortest === 0) return wrong('matches nothing at all too, and so everywhere; ask for one character at least')
  if (cost.ways > patternWays)
    return wrong(
      `can match one text in more than ${patternWays} ways; use fewer {n,m} after one another, and [ab] for (a|b)`,
    )
  return { kind: 'ok', pattern }
}

function compile(source: string): RegExp | undefined {
  try {
    return new RegExp(source, 'gu')
  } catch {
    return undefined
  }
}

interface Cost {
  readonly ways: number
  /** Characters of the shortest and of the longest match. */
  readonly shortest: number
  readonly longest: number
}

const nothing: Cost = { ways: 1, shortest: 0, longest: 0 }
const oneCharacter: Cost = { ways: 1, shortest: 1, longest: 1 }

/** What may come after a backslash. */
const escapes = /^(?:p\{[^}]*\}|u\{[^}]*\}|u[\da-f]{4}|x[\da-f]{2}|c[a-z]|k<[^>]*>|[1-9]\d*|.)/iu

/** Walks a pattern that the engine has compiled, so its syntax is whole. */
class Measure {
  readonly #source: string
  #at = 0
  #refersBack = false

  constructor(source: string) {
    this.#source = source
  }

  /** Undefined: it refers back to a group. */
  whole(): Cost | undefined {
    const cost = this.#alternatives()
    return this.#refersBack ? undefined : cost
  }

  #alternatives(): Cost {
    let all = this.#sequence()
    while (this.#take('|')) {
      const other = this.#sequence()
      all = {
        ways: all.ways + other.ways,
        shortest: Math.min(all.shortest, other.shortest),
        longest: Math.max(all.longest, other.longest),
      }
    }
    return all
  }

  #sequence(): Cost {
    let all = nothing
    while (this.#at < this.#source.length && !this.#isNext('|') && !this.#isNext(')')) {
      const part = this.#repeated(this.#atom())
      all = {
        ways: all.ways * part.ways,
        shortest: all.shortest + part.shortest,
        longest: all.longest + part.longest,
      }
    }
    return all
  }

  #atom(): Cost {
    if (this.#take('^') || this.#take('$')) return nothing
    if (this.#take('(')) return this.#group()
    if (this.#take('[')) return this.#class()
    if (this.#take('\\')) return this.#escape()
    this.#at += 1
    return oneCharacter
  }

  #group(): Cost {
    const head = /^\?(?:<?[=!]|<[^>]*>|[a-z-]*:)/.exec(this.#source.slice(this.#at))?.[0] ?? ''
    this.#at += head.length
    const inside = this.#alternatives()
    this.#take(')')
    if (!/^\?<?[=!]$/.test(head)) return inside
    // What is looked at is no part of the match; it must have an end all the same.
    return { ...inside, shortest: 0, longest: Number.isFinite(inside.longest) ? 0 : inside.longest }
  }

  #class(): Cost {
    while (!this.#take(']')) this.#at += this.#isNext('\\') ? 2 : 1
    return oneCharacter
  }

  #escape(): Cost {
    const escaped = escapes.exec(this.#source.slice(this.#at))?.[0] ?? ''
    this.#at += Math.max(1, escaped.length)
    if (/^(?:k<|[1-9])/.test(escaped)) this.#refersBack = true
    return /^b$/i.test(escaped) ? nothing : oneCharacter
  }

  #repeated(once: Cost): Cost {
    const [quantifier = '', from, comma, to] =
      /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})/.exec(this.#source.slice(this.#at)) ?? []
    if (quantifier === '') return once
    this.#at += quantifier.length
    this.#take('?')
    if (quantifier === '?') return timesOf(once, 0, 1)
    if (quantifier === '*') return timesOf(once, 0, Number.POSITIVE_INFINITY)
    if (quantifier === '+') return timesOf(once, 1, Number.POSITIVE_INFINITY)
    const least = Number(from)
    if (comma === undefined) return timesOf(once, least, least)
    return timesOf(once, least, to === '' ? Number.POSITIVE_INFINITY : Number(to))
  }

  #isNext(character: string): boolean {
    return this.#source[this.#at] === character
  }

  #take(character: string): boolean {
    const isHere = this.#isNext(character)
    if (isHere) this.#at += 1
    return isHere
  }
}

function timesOf(once: Cost, least: number, most: number): Cost {
  // Even of something empty: the engine might try it without an end.
  const longest = most === Number.POSITIVE_INFINITY ? most : once.longest * most
  return { ways: waysOf(once.ways, least, most), shortest: once.shortest * least, longest }
}

/** As often as `least`, or once more, … or `most`; past the bound it is all the same. */
function waysOf(once: number, least: number, most: number): number {
  let ways = 0
  for (let times = least; times <= most && ways <= patternWays; times += 1) ways += once ** times
  return ways
}
