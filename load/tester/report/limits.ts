// What a report shows and compares has its bounds in this file, with their units.

/** Share by which a figure has to change before it counts as better or worse: below it runs differ from each other anyway. */
export const SAME_RATIO = 0.05

/** Milliseconds by which a time has to change too: below it clocks and event loops decide. */
export const SAME_MS = 0.1

/** Share of a whole by which goodput and the like have to change, whatever their ratio. */
export const SAME_SHARE = 0.01

/** Points of a time line in a chart; a longer series is drawn with several intervals put together. */
export const MAX_TIME_LINE_POINTS = 300

/** Points of a percentile curve, spread evenly over the axis. */
export const MAX_CURVE_POINTS = 240

/** Bars of a histogram. */
export const HISTOGRAM_BARS = 32

/** Milliseconds of a run between two lines of progress where there is no terminal. */
export const PROGRESS_LINE_MS = 5_000

/** Characters shown of an example of a wrong answer; the result has the rest. */
export const MAX_EXAMPLE_CHARACTERS = 400
