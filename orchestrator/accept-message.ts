/**
 * Puts a message into the store, and with it the claim to its turn. Idempotent by `messageId`: whoever asks again, on
 * whatever node, hears of the same turn.
 */
import { createHash } from 'node:crypto'
import { type Refusal, refusal } from '../protocol/error.ts'
import type { Claim } from './claim.ts'
import { acceptTries, busyRetryMs, repeatMinMs, repeatSpreadMs, unavailableRetryMs } from './limits.ts'
import type { AcceptReply, AcceptRequest, Clock, TurnLog } from './ports.ts'
import type { SendRequest } from './run-turn.ts'
import { refuseShare } from './share-refusal.ts'
import type { ClaimReply } from './turn-state.ts'

export type Stored =
  | { readonly kind: 'mine'; readonly claim: Claim; readonly seq: number }
  | { readonly kind: 'repeat'; readonly turn: string; readonly seq: number }
  /** Another turn is running; `lapsed`: its producer seems dead. */
  | { readonly kind: 'busy' | 'lapsed'; readonly turn: string; readonly refusal: Refusal }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The store may have it or not. */
  | { readonly kind: 'unknown'; readonly refusal: Refusal }

export interface StorePorts {
  readonly log: Pick<TurnLog, 'accept'>
  readonly clock: Clock
  readonly randomId: () => string
}

export async function storeMessage(
  request: SendRequest,
  turn: string,
  leaseMs: number,
  ports: StorePorts,
): Promise<Stored> {
  const accept = acceptRequest(request, turn, leaseMs, ports)
  const reply = await acceptSurely(accept, ports)
  if (reply === undefined)
    return {
      kind: 'unknown',
      refusal: refusal('unavailable', 'the message could not be stored; send it again', unavailableRetryMs),
    }
  if (reply.kind !== 'yours') return notMine(reply)
  return { kind: 'mine', claim: acceptedClaim(accept, ports.log), seq: reply.entry.seq }
}

function acceptRequest(request: SendRequest, turn: string, leaseMs: number, ports: StorePorts): AcceptRequest {
  const { session, messageId, content, replaces, model, metadata, attributes } = request
  const { project } = attributes
  return {
    session,
    messageId,
    hash: hashOf(request),
    turn,
    token: ports.randomId(),
    leaseMs,
    record: {
      type: 'message.added',
      timeMs: ports.clock.nowMs(),
      turn,
      message: metadata === undefined ? { messageId, content } : { messageId, content, metadata },
      ...(replaces !== undefined && { replaces }),
      ...(model !== undefined && { model }),
      ...(project !== undefined && { project }),
    },
  }
}

/** Of the content and the options, whatever order the metadata's keys came in. */
function hashOf({ content, replaces, model, metadata }: SendRequest): string {
  const pairs = Object.entries(metadata ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
  const canonical = JSON.stringify([content, replaces ?? null, model ?? null, pairs])
  return createHash('sha256').update(canonical).digest('hex')
}

/** Undefined: the store is away. The same claim is asked again, so that the winner does not hear that it lost. */
async function acceptSurely(request: AcceptRequest, { log, clock }: StorePorts): Promise<AcceptReply | undefined> {
  for (let tries = 0; tries < acceptTries; tries++) {
    const reply = await log.accept(request).catch(() => undefined)
    if (reply !== undefined) return reply
    const waitMs = repeatMinMs + Math.random() * repeatSpreadMs
    await new Promise<void>((resolve) => clock.after(waitMs, resolve))
  }
  return undefined
}

function acceptedClaim(request: AcceptRequest, log: Pick<TurnLog, 'accept'>): Claim {
  const { session, turn, token } = request
  return {
    session,
    turn,
    token,
    start: { from: 'accepted', foreignAttempt: 0 },
    async repeat(): Promise<ClaimReply> {
      const reply = await log.accept(request)
      if (reply.kind === 'yours') return 'yours'
      return reply.kind === 'gone' ? 'gone' : 'others'
    },
  }
}

function notMine(reply: Exclude<AcceptReply, { kind: 'yours' }>): Stored {
  switch (reply.kind) {
    case 'repeat':
      return { kind: 'repeat', turn: reply.turn, seq: reply.entry.seq }
    case 'conflict':
      return refused('conflict', 'another message was sent with this messageId')
    case 'not-last':
      return refused('conflict', 'only the last turn can be replaced')
    case 'busy': {
      const busy = refusal('busy', 'another answer is under way in this session; wait for it or cancel it', busyRetryMs)
      return { kind: reply.lease === 'lapsed' ? 'lapsed' : 'busy', turn: reply.turn, refusal: busy }
    }
    case 'store-full':
      return refused('unavailable', 'the store is full; send the message again', reply.retryAfterMs)
    case 'share-full':
      return { kind: 'refused', refusal: refuseShare(reply) }
    case 'gone':
      return refused('not-found', 'there is no such session')
  }
}

function refused(kind: Refusal['kind'], message: string, retryAfterMs?: number): Stored {
  return { kind: 'refused', refusal: refusal(kind, message, retryAfterMs) }
}
