// The attacker as a process of its own, so that its CPU is told apart. It is told by its parent over IPC what to do, yields
// the processors to everything else, and ends with its parent. It connects to the URL that it is given alone.
import os from 'node:os'
import type { AttackOrder, AttackReport } from './attacker.ts'
import type { Line } from './line.ts'
import { lines } from './lines.ts'
import { Stage, type StageOptions, type Tally } from './stage.ts'

/**
 * What is attacked is measured beside the attacker: on a machine with few processors they compete (setpriority(2)). The mix
 * never rests, so it yields more than a line does.
 */
const niceness = { line: 5, mix: 15 }

/** How long each attacking address of a mix stays with one line, in milliseconds. */
const mixTurnMs = 3_000

process.on('disconnect', () => process.exit(0))
// What the bootstrap loads into each process lets go of the channel, which is all that keeps this one.
process.channel?.ref()
process.once('message', (order: AttackOrder) => {
  os.setPriority(niceness[order.kind])
  const done = order.kind === 'line' ? attackAlone(order) : attackMixed(order)
  done.catch((error: unknown) => tell({ kind: 'failed', message: String(error) }))
})

function tell(report: AttackReport): void {
  process.send?.(report)
}

/** Prepares, attacks when it is told to, and keeps what is open until it is killed. */
async function attackAlone({ line: name, stage: options }: AttackOrder & { readonly kind: 'line' }): Promise<void> {
  const line = lines[name]
  if (line === undefined) throw new Error(`unable to attack: there is no line '${name}'`)
  const stage = new Stage(options)
  const attack = await line.prepare(stage)
  const go = new Promise((resolve) => process.once('message', resolve))
  tell({ kind: 'ready' })
  await go
  stage.begin(line.seconds * 1_000)
  await attack()
  tell({ kind: 'sent', tally: stage.tally() })
}

/** Each address goes through the lines in turn, beginning with another one. */
async function attackMixed({ stages, seconds }: AttackOrder & { readonly kind: 'mix' }): Promise<void> {
  tell({ kind: 'ready' })
  await new Promise((resolve) => process.once('message', resolve))
  const untilMs = performance.now() + seconds * 1_000
  const all = Object.values(lines).filter(({ keySet }) => keySet === undefined)
  const tallies: Tally[] = []
  await Promise.all(
    stages.map(async (options, n) => {
      for (let turn = n; performance.now() < untilMs; turn++) {
        const line = all[turn % all.length]
        if (line === undefined) return
        tallies.push(await attackFor(line, options, Math.min(mixTurnMs, untilMs - performance.now())))
      }
    }),
  )
  tell({ kind: 'sent', tally: sum(tallies) })
}

/** Also what the line prepares ends in time. A line that cannot be prepared, since the gateway refuses it, is left out. */
async function attackFor(line: Line, options: StageOptions, durationMs: number): Promise<Tally> {
  const stage = new Stage(options)
  stage.begin(durationMs)
  try {
    const attack = await line.prepare(stage)
    await attack()
  } catch {
    await stage.pause(durationMs)
  }
  const tally = stage.tally()
  stage.end()
  return tally
}

function sum(tallies: readonly Tally[]): Tally {
  const of = (figure: keyof Tally) => tallies.reduce((total, tally) => total + tally[figure], 0)
  return {
    sentBytes: of('sentBytes'),
    openedCount: of('openedCount'),
    requestCount: of('requestCount'),
    droppedCount: of('droppedCount'),
  }
}
