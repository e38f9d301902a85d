/** One worker process of the load tester: it is forked, told its share, and reports at each interval. It ends with its parent. */
import { startDriver } from '../driver.ts'
import type { FromWorker, ToWorker } from '../messages.ts'
import { watchSelf } from '../self-watch.ts'

/** Ctrl-C at a terminal reaches every process: the parent decides what it means. */
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit(0))
// What the parent was started with may have let go of the channel, which keeps this process alive.
process.channel?.ref()

let stop: () => void = () => process.exit(0)

// The channel's other end is `crew.ts`.
process.on('message', (message: ToWorker) => {
  if (message.type === 'stop') stop()
  else run(message).catch((error: unknown) => fail(error))
})
say({ type: 'ready' })

async function run({ plan, worker, startsAtMs }: Extract<ToWorker, { type: 'start' }>): Promise<void> {
  const self = watchSelf()
  const driver = startDriver(plan, { worker, workers: plan.workers, startsAtMs })
  stop = driver.stop
  const currentIndex = () => Math.max(0, Math.floor((Date.now() - startsAtMs) / plan.intervalMs))
  let reportedIndex = -1
  // Looks more often than once an interval, so that each is told soon after its end, and once.
  const reporting = setInterval(() => {
    const endedIndex = currentIndex() - 1
    if (endedIndex <= reportedIndex) return
    reportedIndex = endedIndex
    say({ type: 'interval', interval: driver.tally.take(endedIndex) })
  }, plan.intervalMs / looksPerInterval)
  const problem = await driver.done.then(() => undefined, problemOf)
  clearInterval(reporting)
  const interval = driver.tally.take(currentIndex())
  say({ type: 'done', interval, state: self(driver.isFull()), ...(problem !== undefined && { problem }) })
}

const looksPerInterval = 4

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(1)
}

function say(message: FromWorker): void {
  process.send?.(message)
}
