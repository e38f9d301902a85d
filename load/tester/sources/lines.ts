import { createReadStream } from 'node:fs'
import { itemBytesMax } from '../bounds.ts'

/** A piece of a file, with the line that it begins in, counted from 1. */
export interface Item {
  readonly line: number
  readonly text: string
}

/** What is wrong with a file, and where. */
export class SourceError extends Error {
  constructor(file: string, line: number, reason: string) {
    super(`unable to read ${file}, line ${line}: ${reason}`)
  }
}

/**
 * The lines of a file that are not blank, read as they are wanted.
 *
 * @throws SourceError at a line above `itemBytesMax`; what the file system says.
 */
export async function* linesOf(file: string): AsyncGenerator<Item> {
  let line = 1
  let begun = ''
  for await (const chunk of createReadStream(file, 'utf8')) {
    const pieces = `${begun}${chunk}`.split('\n')
    begun = pieces.pop() ?? ''
    for (const piece of pieces) {
      if (piece.trim() !== '') yield { line, text: withoutMark(piece, line) }
      line++
    }
    if (begun.length > itemBytesMax) throw new SourceError(file, line, `it is longer than ${itemBytesMax} bytes`)
  }
  if (begun.trim() !== '') yield { line, text: withoutMark(begun, line) }
}

/** A byte order mark, which some tables begin with. */
function withoutMark(text: string, line: number): string {
  const unmarked = line === 1 && text.startsWith('\u{feff}') ? text.slice(1) : text
  return unmarked.endsWith('\r') ? unmarked.slice(0, -1) : unmarked
}

/**
 * The objects of a file of JSON, one after the other (JSONL) or in one array, which may be larger than a string can be: each
 * is found by its braces, and nothing else of the file is held.
 *
 * @throws SourceError at an object above `itemBytesMax`, and at the end inside of one.
 */
export async function* objectsOf(file: string): AsyncGenerator<Item> {
  const scan = { depth: 0, isText: false, isEscaped: false, line: 1, begunLine: 1 }
  let held = ''
  for await (const chunk of createReadStream(file, 'utf8')) {
    const text = String(chunk)
    let from = 0
    for (let index = 0; index < text.length; index++) {
      const step = scanned(scan, text.charCodeAt(index))
      if (step === 'begins') from = index
      if (step !== 'ends') continue
      yield { line: scan.begunLine, text: held + text.slice(from, index + 1) }
      held = ''
    }
    if (scan.depth > 0) held += text.slice(from)
    if (held.length > itemBytesMax) throw new SourceError(file, scan.begunLine, `longer than ${itemBytesMax} bytes`)
  }
  if (scan.depth > 0) throw new SourceError(file, scan.begunLine, 'the file ends inside of this object')
}

interface Scan {
  depth: number
  isText: boolean
  isEscaped: boolean
  line: number
  begunLine: number
}

/** What this character is to the outermost objects. */
function scanned(scan: Scan, code: number): 'begins' | 'ends' | undefined {
  if (code === newline) scan.line++
  if (scan.isEscaped) scan.isEscaped = false
  else if (scan.isText) {
    if (code === backslash) scan.isEscaped = true
    else if (code === quote) scan.isText = false
  } else if (code === quote) scan.isText = scan.depth > 0
  else if (code === opening && scan.depth++ === 0) {
    scan.begunLine = scan.line
    return 'begins'
  } else if (code === closing && scan.depth > 0 && --scan.depth === 0) return 'ends'
  return undefined
}

const [newline, quote, backslash, opening, closing] = [10, 34, 92, 123, 125]
