import { resolve } from 'node:path'
import { type Flags, noFlags } from '../orchestrator/flags.ts'
import { renewalShare, runningTurnsMax, settleGraceMs } from '../orchestrator/limits.ts'
import type { TargetPolicy } from '../orchestrator/policy.ts'
import { createTenantFilters } from '../orchestrator/privacy/tenant-filters.ts'
import { watchPrompts } from '../orchestrator/prompts/watch-prompts.ts'
import { connectTarget } from '../orchestrator/providers/connect.ts'
import { Targets } from '../orchestrator/route/targets.ts'
import { createTurns, systemClock, type TurnOptions, type Turns } from '../orchestrator/turns.ts'
import { tapeBytes } from '../protocol/limits.ts'
import type { Feeds } from '../sessions/feeds.ts'
import { randomId } from './chat.ts'
import type { PolicySource } from './config/policy/live-policy.ts'
import type { Config } from './config.ts'
import { clockTrigger } from './flags/clock-trigger.ts'
import { openFileFlags } from './flags/file-flags.ts'
import type { Store } from './store.ts'
import type { Telemetry } from './telemetry/ports.ts'

/** What produces answers here, with all that may change while it runs: policy, prompts, flags. */
export interface Answering {
  readonly turns: Turns
  /** Watches nothing any more, and closes the connections to providers. The turns must have ended. */
  close(): Promise<void>
}

export interface AnsweringParts {
  readonly config: Config
  readonly policy: PolicySource
  readonly telemetry: Telemetry
}

/** Rejects, with what to do, when the prompts have a mistake. */
export async function openAnswering(parts: AnsweringParts, store: Store, feeds: Feeds): Promise<Answering> {
  const { config, policy, telemetry } = parts
  const { log } = telemetry
  // The caller's own timers are shorter; this deadline covers what they miss.
  const connect = (target: TargetPolicy) => connectTarget(target, config.provider.turnTimeoutMs, log)
  const breakerChanged = (target: string, isOpen: boolean) =>
    isOpen
      ? log.warn({ target }, 'a target fails too often and is left alone for a while')
      : log.info({ target }, 'a target answers again')
  const targets = new Targets(policy.current(), { clock: systemClock, connect, breakerChanged })
  const stopListening = policy.onChange((changed) => targets.replace(changed))
  telemetry.watchTargets(() => targets.states())
  const prompts = watchPrompts(resolve(import.meta.dirname, '..', config.provider.promptsDir), clockTrigger, {
    changed: ({ prompts: changed }) => log.info({ prompts: [...changed.keys()] }, 'the changed prompts are taken over'),
    refused: (reason) => log.error({ reason }, 'the changed prompts are refused: those before stay'),
  })
  for (const warning of prompts.current().warnings) log.warn({ warning }, 'in the prompts')
  const flags = await openFlags(parts)
  const turns = createTurns({
    log: store.log,
    policy: () => policy.current(),
    targets,
    ledger: store.ledger,
    filtersFor: createTenantFilters(await store.redactionSecret()),
    audience: {
      started: (session, token) => feeds.producerStarted(session, token),
      delivered: (session, fence, part, at, text, arrivedMs) => {
        feeds.delivered(session, fence, part, at, text)
        telemetry.sockets.addedLatency(performance.now() - arrivedMs)
      },
      stopped: (session, token, isEnded) => feeds.producerStopped(session, token, isEnded),
    },
    telemetry: telemetry.turns,
    logger: log,
    prompts,
    flags: flags.flags,
    randomId,
    options: turnOptions(config, store.isShared),
  })
  return {
    turns,
    async close() {
      stopListening()
      prompts.close()
      targets.close()
      await flags.close()
    },
  }
}

async function openFlags({
  config,
  telemetry: { log },
}: AnsweringParts): Promise<{ flags: Flags; close(): Promise<void> }> {
  const file = config.provider.flagsFile
  if (file === undefined) return { flags: noFlags, close: async () => undefined }
  const flags = await openFileFlags(file, clockTrigger, {
    changed: (switched) => log.info({ file, flags: switched }, 'the flags are taken over'),
    refused: (reason) => log.error({ file, reason }, 'the flags are refused: what counted goes on to count'),
  })
  return { flags, close: () => flags.close() }
}

function turnOptions({ provider, limits, turns }: Config, isShared: boolean): TurnOptions {
  return {
    promptTokens: provider.promptTokens,
    contentBytes: limits.maxContentBytes,
    tapeBytes,
    runningTurnsMax,
    leaseMs: turns.leaseMs,
    renewMs: Math.floor(turns.leaseMs * renewalShare),
    totalMs: provider.turnTimeoutMs,
    graceMs: isShared ? settleGraceMs : 0,
    takeOver: turns.takeOver,
    whenBusy: turns.whenBusy,
    handsOver: isShared,
  }
}
