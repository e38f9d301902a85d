import type { LogRecord } from '../../protocol/record.ts'
import type { SessionLog } from '../../sessions/session-log.ts'
import type { World } from './world.ts'

/** For who has to find out why: the log's outline, and where everybody is. */
export async function describe(world: World, log: SessionLog | undefined): Promise<string> {
  const opened = await log?.open({ session: world.session, limit: 50 })
  const records = opened?.kind === 'ok' ? opened.entries.map(({ record }) => outline(record)) : [opened?.kind]
  const run = opened?.kind === 'ok' && opened.run !== undefined ? JSON.stringify(opened.run) : 'none'
  const devices = world.devices.map((device) => {
    const { phase, position, outgoing, running } = device.session()
    const own = outgoing.map(({ message, status }) => `${message.messageId} ${status.kind}`)
    return JSON.stringify({ link: device.state.link.kind, phase, position, own, running: running?.turn.slice(0, 4) })
  })
  const nodes = world.nodes.map(
    ({ name, isAlive, turns, link, troubles }) =>
      `${name}: alive ${isAlive}, running ${turns.running()}, held ${link.heldCount}, ${JSON.stringify(troubles)}`,
  )
  return [`run: ${run}`, ...records, ...devices, ...nodes].join('\n')
}

function outline(record: LogRecord): string {
  const { seq, mark, type } = record
  const of = 'turn' in record ? record.turn.slice(0, 4) : ''
  const more = 'message' in record ? record.message.messageId : 'attempt' in record ? record.attempt : ''
  return `${seq}-${mark} ${type} ${of} ${more}`
}
