import { afterEach } from 'vitest'
import { createMemoryLog } from '../../sessions/memory-log.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import { describeSessionLogContract } from './contract.ts'

const made: SessionLog[] = []
afterEach(async () => {
  for (const log of made.splice(0)) await log.close()
})

describeSessionLogContract('memory', async (limits) => {
  let nowMs = 1_700_000_000_000
  const log = createMemoryLog({ now: () => nowMs, ...limits })
  made.push(log)
  return {
    log,
    advance: (ms) => {
      nowMs += ms
    },
  }
})
