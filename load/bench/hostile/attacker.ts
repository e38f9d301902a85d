import { fork } from 'node:child_process'
import { join } from 'node:path'
import { endWithThis } from '../processes.ts'
import type { StageOptions, Tally } from './stage.ts'

/** The first message to the attacker's process. A second one, of any content, lets it begin. */
export type AttackOrder =
  | { readonly kind: 'line'; readonly line: string; readonly stage: StageOptions }
  | { readonly kind: 'mix'; readonly stages: readonly StageOptions[]; readonly seconds: number }

/** What it answers: `ready` once all is prepared, `sent` when its time is over or everything was sent. */
export type AttackReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'sent'; readonly tally: Tally }
  | { readonly kind: 'failed'; readonly message: string }

/** The attacker's process, which has prepared its attack and waits. */
export interface Attacker {
  readonly pid: number
  /** Resolves when it has sent all; its connections stay open. Rejects when it takes longer than `maxMs`. */
  attack(maxMs: number): Promise<Tally>
  stop(): Promise<void>
}

/** How long an attacker may prepare its attack, in milliseconds. */
const prepareMaxMs = 60_000

export async function startAttacker(order: AttackOrder): Promise<Attacker> {
  const child = fork(join(import.meta.dirname, 'main.ts'))
  const { pid } = child
  if (pid === undefined) throw new Error('unable to start the attacker')
  endWithThis(child)
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const stop = () => {
    child.kill('SIGKILL')
    return exited
  }
  const report = (maxMs: number) =>
    new Promise<AttackReport>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`the attacker did not report within ${maxMs} ms`)), maxMs)
      const gone = () => reject(new Error('the attacker ended before it reported'))
      child.once('exit', gone)
      child.once('message', (said: AttackReport) => {
        clearTimeout(late)
        child.off('exit', gone)
        if (said.kind === 'failed') reject(new Error(said.message))
        else resolve(said)
      })
    })
  try {
    const ready = report(prepareMaxMs)
    child.send(order)
    await ready
  } catch (error) {
    await stop()
    throw error
  }
  return {
    pid,
    async attack(maxMs) {
      const sent = report(maxMs)
      child.send('go')
      const said = await sent
      if (said.kind !== 'sent') throw new Error('the attacker did not say what it sent')
      return said.tally
    },
    stop,
  }
}
