import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createProgress } from '../../load/tester/report/progress.ts'
import type { SeriesPoint } from '../../load/tester/result.ts'
import { Screen } from './screen.ts'

function pointAt(second: number, more: Partial<SeriesPoint> = {}): SeriesPoint {
  const counts = { sockets: 2000, streams: 12, questions: 3, completed: 2, failed: 0, deltas: 1500, bytes: 90_000 }
  return { atMs: second * 1000, ...counts, killed: 1, resumed: 1, faults: 0, ttftP50Ms: 312, ttftP99Ms: 1240, ...more }
}

beforeEach(() => {
  vi.stubEnv('TERM', 'xterm')
  vi.stubEnv('NO_COLOR', '')
})
afterEach(() => {
  vi.unstubAllEnvs()
})

describe('progress in a terminal', () => {
  const plannedMs = 60_000

  test('[REPORT-7] is drawn in its place, and adds up', () => {
    const screen = new Screen(100)
    const progress = createProgress(screen)
    for (let second = 1; second <= 30; second++) {
      progress.show(pointAt(second), { elapsedMs: second * 1000, plannedMs })
    }
    progress.end()
    const [bar, first, second, third, ...rest] = screen.lines
    expect(bar).toBe(`${'━'.repeat(20)}${'─'.repeat(20)} 0:30 of 1:00`)
    expect(first).toMatch(/^sockets 2,000 +streams 12 +questions 3\/s +completed 60$/)
    expect(second).toMatch(/^failed 0 +faults 0 +ttft p50 312 ms +ttft p99 1.24 s$/)
    expect(third).toMatch(/^deltas 1,500\/s +received 90 kB\/s +killed 30 +resumed 30$/)
    expect(rest).toEqual([''])
  })

  test('[REPORT-7] gives the cursor back, once, and leaves nothing behind', () => {
    const listeners = process.listenerCount('exit')
    const screen = new Screen(80)
    const progress = createProgress(screen)
    progress.show(pointAt(1), { elapsedMs: 1000, plannedMs })
    expect(screen.isCursorHidden).toBe(true)
    progress.end()
    expect(screen.isCursorHidden).toBe(false)
    const { written } = screen
    progress.end()
    expect(screen.written).toBe(written)
    expect(process.listenerCount('exit')).toBe(listeners)
  })

  test('[REPORT-7] writes nothing when nothing was shown', () => {
    const screen = new Screen(80)
    createProgress(screen).end()
    expect(screen.written).toBe('')
  })

  test.each([1, 5, 12, 19, 20, 21, 39, 41, 60, 79, 80, 200])('[REPORT-7] fits %i columns', (columns) => {
    const screen = new Screen(columns)
    const progress = createProgress(screen)
    const large = { deltas: 123_456_789, bytes: 1e12, completed: 9_999_999_999 }
    const shown = [1, 2, 3].map((second) => {
      progress.show(pointAt(second, large), {
        elapsedMs: second * 1000,
        plannedMs: second === 3 ? undefined : plannedMs,
      })
      return screen.lines.length
    })
    expect(Math.max(...screen.lines.map(({ length }) => length))).toBeLessThan(Math.max(2, columns))
    expect(new Set(shown).size).toBe(1)
    progress.end()
  })

  test('[REPORT-7] goes up over all rows when the terminal has become narrower', () => {
    const screen = new Screen(81)
    const progress = createProgress(screen)
    progress.show(pointAt(1), { elapsedMs: 1000, plannedMs })
    screen.columns = 40
    progress.show(pointAt(2), { elapsedMs: 2000, plannedMs })
    // The bar's 53 columns and three lines of 80: two rows each.
    expect(screen.written).toContain('\x1b[8A')
    progress.end()
  })

  test('[REPORT-7] marks what is wrong, in colour unless NO_COLOR is set', () => {
    const colored = () => {
      const screen = new Screen(80)
      const progress = createProgress(screen)
      progress.show(pointAt(1, { faults: 2 }), { elapsedMs: 1000, plannedMs })
      progress.end()
      expect(screen.lines.join('\n')).toContain('faults 2')
      return screen.written.includes('\x1b[1;31m2')
    }
    expect(colored()).toBe(true)
    vi.stubEnv('NO_COLOR', '1')
    expect(colored()).toBe(false)
  })
})

describe('progress without a terminal', () => {
  function plainLines(points: readonly SeriesPoint[]): string[] {
    const written: string[] = []
    const progress = createProgress({ write: (text) => written.push(text) })
    for (const point of points) progress.show(point, { elapsedMs: point.atMs, plannedMs: 12_000 })
    progress.end()
    return written.join('').split('\n').slice(0, -1)
  }

  test('[REPORT-8] is a line every five seconds, and the rest at the end', () => {
    const lines = plainLines(Array.from({ length: 12 }, (_, index) => pointAt(index + 1)))
    expect(lines.map((line) => line.slice(0, 12))).toEqual(['0:05 of 0:12', '0:10 of 0:12', '0:12 of 0:12'])
    expect(lines.map((line) => /completed (\d+)/.exec(line)?.[1])).toEqual(['10', '20', '24'])
    expect(lines.join('')).not.toContain('\x1b')
  })

  test('[REPORT-8] has rates of the time since the line before', () => {
    const lines = plainLines([
      pointAt(5, { questions: 50 }),
      pointAt(10, { questions: 10 }),
      pointAt(11, { questions: 7 }),
    ])
    expect(lines.map((line) => /questions (\S+)/.exec(line)?.[1])).toEqual(['10/s', '2/s', '7/s'])
  })

  test('[REPORT-8] is what a dumb terminal gets', () => {
    vi.stubEnv('TERM', 'dumb')
    const screen = new Screen(80)
    const progress = createProgress(screen)
    progress.show(pointAt(5), { elapsedMs: 5000, plannedMs: undefined })
    progress.end()
    expect(screen.written).toMatch(/^0:05 {2}sockets 2,000 .*\n$/)
    expect(screen.written).not.toContain('\x1b')
  })
})
