import { isTerminal } from '../../protocol/record.ts'
import type { LogEntry, SessionLog } from '../../sessions/session-log.ts'
import { callsOf } from './sim-provider.ts'
import type { World } from './world.ts'

/** What a history must have come to, once it is at rest (DESIGN section 3, rules 1 to 7; STORE section 5). */
export async function check(world: World, log: SessionLog, takeOvers: number): Promise<readonly string[]> {
  const wrong: string[] = []
  const page = await log.page({ session: world.session, limit: 10_000 })
  if (page.kind !== 'ok') return ['the session is gone']
  checkLog(world, page.entries, wrong)
  checkDevices(world, page.entries, wrong)
  for (const node of world.allNodes)
    if (node.troubles.length > 0) wrong.push(`${node.name} had bugs: ${JSON.stringify(node.troubles, errorsToo)}`)
  for (const node of world.nodes)
    if (node.provider.open.length > 0) wrong.push(`${node.name} left a provider's connection open`)
  const { never } = world.plan as { never: readonly string[] }
  if (never.includes('reset') && world.resets > 0) wrong.push(`${world.resets} resets without a roll-back`)
  if (never.includes('take-over') && takeOvers > world.unknownAcceptances)
    wrong.push(`${takeOvers} take-overs, of which ${world.unknownAcceptances} had no producer`)
  if (never.includes('re-open')) {
    const reopens = world.devices.reduce((sum, device) => sum + device.state.stats.reopens, 0)
    if (reopens > 0) wrong.push(`${reopens} re-opens by clients`)
  }
  return wrong
}

function checkLog(world: World, entries: readonly LogEntry[], wrong: string[]): void {
  const messages = new Map<string, string>()
  const ends = new Map<string, string>()
  let kept = false
  for (const [index, { record, texts }] of entries.entries()) {
    if (record.seq !== index + 1) wrong.push(`record ${record.seq} is at ${index + 1}`)
    if (record.type === 'message.added') {
      const { messageId } = record.message
      if (messages.has(messageId)) wrong.push(`${messageId} is in the log twice`)
      messages.set(messageId, record.turn)
      kept = false
    }
    if (record.type === 'turn.restarted') kept = record.keep !== undefined
    if (!isTerminal(record)) continue
    if (ends.has(record.turn)) wrong.push(`turn ${record.turn} ended twice`)
    ends.set(record.turn, record.type)
    const text = texts?.[0]?.toString() ?? ''
    const calls = callsOf(text)
    if (calls === undefined) wrong.push(`an answer is none: ${text}`)
    else if (calls.length > 1 && !kept && world.plan.takeOver !== 'continue') wrong.push(`two answers in one: ${text}`)
  }
  for (const [messageId, turn] of messages) if (!ends.has(turn)) wrong.push(`${messageId} never ended`)
  const never: readonly string[] = world.plan.never
  if (never.includes('uncancelled'))
    for (const turn of world.cancelled)
      if (ends.get(turn) !== 'turn.cancelled') wrong.push(`a cancel was answered, and the turn is ${ends.get(turn)}`)
  if (never.includes('lost-message'))
    for (const device of world.devices)
      for (const [messageId, { results }] of device.followed)
        if (results.some((kind) => kind !== 'failed') && !messages.has(messageId)) wrong.push(`${messageId} is lost`)
}

/** Each device shows the log's turns with the log's texts, and each message that it sent had one result. */
function checkDevices(world: World, entries: readonly LogEntry[], wrong: string[]): void {
  const texts = new Map<string, string>()
  for (const { record, texts: parts } of entries)
    if (isTerminal(record)) texts.set(record.turn, parts?.[0]?.toString() ?? '')
  for (const [index, device] of world.devices.entries()) {
    const { turns } = device.session()
    const shown = turns.filter(({ turn }) => turn !== undefined && texts.has(turn))
    if (shown.length !== texts.size) wrong.push(`device ${index} shows ${shown.length} of ${texts.size} turns`)
    for (const { turn = '', text, state } of shown)
      if (text !== texts.get(turn)) wrong.push(`device ${index} shows ${state} ${text}, the log has ${texts.get(turn)}`)
    // One result for each message; where a roll-back took an answer back it is given again, and a stranger's may vanish.
    for (const messageId of world.sentBy.get(device) ?? []) {
      const count = device.followed.get(messageId)?.results.length ?? 0
      if (count === 0 || (count > 1 && !world.wasRolledBack))
        wrong.push(`device ${index}: ${messageId} has ${count} results`)
    }
  }
}

function errorsToo(_key: string, value: unknown): unknown {
  return value instanceof Error ? (value.stack ?? value.message) : value
}
