import { diff } from 'node:util'

/** Lines around a change that are shown with it. */
const contextLines = 3

interface Line {
  readonly sign: ' ' | '-' | '+'
  readonly text: string
}

/** What `diff -u` shows of two texts; empty when they are the same. */
export function unifiedDiff(fromName: string, from: string, toName: string, to: string): string {
  const lines = diff(from.split('\n'), to.split('\n')).map(([operation, text]) => ({ sign: signOf(operation), text }))
  const hunks = hunksOf(lines)
  if (hunks.length === 0) return ''
  return `${[`--- ${fromName}`, `+++ ${toName}`, ...hunks.flatMap((hunk) => shown(lines, hunk))].join('\n')}\n`
}

/** As Node says it: 0 in both, 1 only in the first, -1 only in the second. */
function signOf(operation: number): Line['sign'] {
  if (operation === 0) return ' '
  return operation > 0 ? '-' : '+'
}

interface Hunk {
  readonly start: number
  readonly end: number
}

/** Changes whose surroundings meet are one. */
function hunksOf(lines: readonly Line[]): readonly Hunk[] {
  const hunks: { start: number; end: number }[] = []
  for (const [index, { sign }] of lines.entries()) {
    if (sign === ' ') continue
    const last = hunks.at(-1)
    const end = Math.min(lines.length, index + 1 + contextLines)
    if (last !== undefined && index - contextLines <= last.end) last.end = end
    else hunks.push({ start: Math.max(0, index - contextLines), end })
  }
  return hunks
}

function shown(lines: readonly Line[], { start, end }: Hunk): readonly string[] {
  const before = lines.slice(0, start)
  const inside = lines.slice(start, end)
  const range = (sign: Line['sign']) => {
    const count = inside.filter((line) => line.sign !== sign).length
    const first = before.filter((line) => line.sign !== sign).length
    return `${count === 0 ? first : first + 1},${count}`
  }
  return [`@@ -${range('+')} +${range('-')} @@`, ...inside.map(({ sign, text }) => `${sign}${text}`)]
}
