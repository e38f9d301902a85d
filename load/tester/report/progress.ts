/**
 * The run while it goes on. In a terminal a few lines are drawn again in their place; elsewhere (a log of CI) a line is
 * added every few seconds of the run. Nothing here has a timer: the points come when an interval is over.
 */
import type { SeriesPoint } from '../result.ts'
import { PROGRESS_LINE_MS } from './limits.ts'
import { type Line, plainLine, progressLines, type RunTimes } from './progress-lines.ts'
import { begunAnew, type Tally, tallyFrom, tallyWith } from './tally.ts'

/** What a run's progress is written to: `process.stderr` and the like. */
interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export interface Progress {
  show(point: SeriesPoint, totals: RunTimes): void
  /** Writes what was not shown yet and gives the terminal back. More than one call changes nothing. */
  end(): void
}

/** Without colours when `NO_COLOR` is set (no-color.org). */
export function createProgress(output: ProgressOutput): Progress {
  return output.isTTY && process.env.TERM !== 'dumb' ? terminalProgress(output) : plainProgress(output)
}

function plainProgress(output: ProgressOutput): Progress {
  let tally: Tally | undefined
  let unwritten = ''
  const write = () => {
    if (unwritten !== '') output.write(unwritten)
    unwritten = ''
  }
  return {
    show(point, totals) {
      tally = tally === undefined ? tallyFrom(point) : tallyWith(tally, point)
      unwritten = `${plainLine(tally, totals)}\n`
      if (tally.recentMs < PROGRESS_LINE_MS) return
      write()
      tally = begunAnew(tally)
    },
    end: write,
  }
}

const hideCursor = '\x1b[?25l'
const showCursor = '\x1b[?25h'
const clearLine = '\x1b[K'
const clearBelow = '\x1b[J'

function terminalProgress(output: ProgressOutput): Progress {
  const hasColor = (process.env.NO_COLOR ?? '') === ''
  let tally: Tally | undefined
  let drawn: readonly Line[] = []
  const restore = () => output.write(showCursor)
  return {
    show(point, totals) {
      tally = tally === undefined ? tallyFrom(point) : tallyWith(begunAnew(tally), point)
      const columns = output.columns || 80
      // A terminal that is written to its last column breaks the line, or not, each in its own way.
      const lines = progressLines(tally, totals, { columns: Math.max(1, columns - 1), hasColor })
      if (drawn.length === 0) process.once('exit', restore)
      const text = lines.map((line) => `${line.text}${clearLine}\n`).join('')
      output.write(`${hideCursor}${upOver(drawn, columns)}${text}${clearBelow}`)
      drawn = lines
    },
    end() {
      if (drawn.length === 0) return
      drawn = []
      process.off('exit', restore)
      restore()
    },
  }
}

/** To the first of the lines, which take more rows when the terminal has become narrower since. */
function upOver(lines: readonly Line[], columns: number): string {
  const rows = lines.reduce((sum, { width }) => sum + Math.max(1, Math.ceil(width / columns)), 0)
  return rows === 0 ? '' : `\x1b[${rows}A\r`
}
