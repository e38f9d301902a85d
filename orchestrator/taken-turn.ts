/**
 * What becomes of a turn that was taken over: it is answered anew, or on from what there is, or ended as it stands.
 * A cancelled one is ended whatever the configuration says.
 */
import { refusal } from '../protocol/error.ts'
import type { Claim } from './claim.ts'
import { unavailableRetryMs } from './limits.ts'
import type { Policy } from './policy.ts'
import type { DescribedSession, TakeOverKind } from './ports.ts'
import { takenReservation } from './reservation.ts'
import { choosePrompt, type RunOptions, type RunPorts, type Work } from './run-turn.ts'
import { type Taken, takeOver } from './take-over.ts'
import { type ClaimReply, cancelled, failed } from './turn-state.ts'
import { readWholeTape } from './whole-tape.ts'

/** Claims a dead producer's turn; `undefined` when it is not to be had, or its message cannot be read. */
export async function takeTurn(
  session: string,
  turn: string,
  options: RunOptions,
  ports: RunPorts,
): Promise<Work | undefined> {
  const claim = { session, turn, token: ports.randomId(), leaseMs: options.leaseMs }
  const taken = await takeOver(claim, ports)
  if (taken === 'others' || taken === 'gone') return undefined
  const message = await messageOf(session, taken, ports)
  if (message === undefined) return undefined
  const repeat = async (): Promise<ClaimReply> => {
    const again = await takeOver(claim, ports)
    if (again === 'others' || again === 'gone') return again
    return again.isCancelled ? 'cancelled' : 'yours'
  }
  const { how, ...beginning } = await beginningOf(session, taken, options, ports)
  ports.telemetry.takenOver(how)
  ports.logger.warn({ session, turn, how, attempt: taken.attempt }, 'turn taken over')
  const { record } = message
  const info = { ...message.info, ...(record.project !== undefined && { project: record.project }) }
  const policy = ports.policy()
  const { choice, flags } = await promptOf(session, info, record.model, policy, ports)
  return {
    claim: { session, turn, token: claim.token, repeat, ...beginning },
    policy,
    flags,
    ...payerOf(session, `${turn}.${claim.token}`, info, policy, options, ports),
    system: choice.system,
    prompt: choice.chosen,
    ...(choice.parameters && { parameters: choice.parameters }),
    content: record.message.content,
    messageSeq: taken.message.seq,
    ...(record.replaces !== undefined && { replaces: record.replaces }),
    ...(record.model !== undefined && { model: record.model }),
  }
}

/** A session outlives a prompt that the operator took away; without it, it is answered like others. */
async function promptOf(
  session: string,
  { owner, prompt, project, channel }: DescribedSession,
  model: string | undefined,
  policy: Policy,
  ports: RunPorts,
) {
  const attributes = { ...(project && { project }), ...(channel && { channel }) }
  const asking = { session, owner, attributes, ...(model && { model }) }
  const named = prompt === undefined ? attributes : { ...attributes, prompt }
  const own = await choosePrompt({ ...asking, attributes: named }, policy, ports)
  const { choice, flags } = own.choice.kind === 'ok' ? own : await choosePrompt(asking, policy, ports)
  if (choice.kind === 'unknown') throw new Error('unable to choose a prompt: what is assigned is not there')
  return { choice, flags }
}

/**
 * Who pays for it. What the lost producer's calls used is booked by its own reservation, whole when that lapses; a call that
 * is made here reserves for itself, under another id.
 */
function payerOf(
  session: string,
  id: string,
  { owner, project }: DescribedSession,
  policy: Policy,
  { leaseMs }: RunOptions,
  ports: RunPorts,
) {
  const spender = project === undefined ? owner : { ...owner, project }
  return { spender, reservation: takenReservation({ id, session, spender, policy, leaseMs }, ports) }
}

type Beginning = Pick<Claim, 'start' | 'kept'> & { readonly how: TakeOverKind }

/** Nothing is appended to the tapes any more: the claim took the fence from whoever might. */
async function beginningOf(
  session: string,
  { turn, attempt: foreignAttempt, isCancelled }: Taken,
  options: RunOptions,
  { log }: RunPorts,
): Promise<Beginning> {
  if (isCancelled) return { how: 'cancelled', start: { from: 'taken-to-end', foreignAttempt, outcome: cancelled } }
  if (options.takeOver === 'fail')
    return { how: 'fail', start: { from: 'taken-to-end', foreignAttempt, outcome: failed(lost) } }
  const restart = { how: 'restart', start: { from: 'taken', foreignAttempt, keptBytes: 0 } } as const
  if (options.takeOver === 'restart' || foreignAttempt === 0) return restart
  const kept = await readWholeTape(log, session, turn).catch(() => undefined)
  if (kept === undefined || kept.length === 0 || kept.length >= options.tapeBytes) return restart
  return { how: 'continue', kept, start: { from: 'taken', foreignAttempt, keptBytes: kept.length } }
}

const lost = refusal(
  'unavailable',
  'the gateway that produced this answer was lost; send the message again',
  unavailableRetryMs,
)

async function messageOf(session: string, taken: Taken, { log, logger }: RunPorts) {
  const page = await log.page({ session, before: taken.message.seq + 1, limit: 1 }).catch(() => undefined)
  const described = await log.describe(session).catch(() => undefined)
  const record = page?.kind === 'ok' ? page.entries.at(-1)?.record : undefined
  if (record?.type === 'message.added' && record.turn === taken.turn && described?.kind === 'ok')
    return { record, info: described.info }
  // Its lease lapses again, and whoever meets it next tries again.
  logger.warn({ session, turn: taken.turn }, 'took over a turn whose message could not be read')
  return undefined
}
