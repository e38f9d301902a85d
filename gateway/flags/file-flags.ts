/**
 * Feature flags from a file, through OpenFeature, so that another provider can take the file's place without a word
 * changing in what asks. Evaluated in this process alone: a turn waits for nothing.
 *
 * The file is taken whole or not at all. One that is missing or bad switches nothing: what counted goes on to count, at
 * the start the defaults, and it is said once.
 */
import { readFileSync } from 'node:fs'
import {
  type Client,
  type EvaluationContext,
  OpenFeature,
  StandardResolutionReasons,
  TypedInMemoryProvider,
} from '@openfeature/server-sdk'
import type { FlagContext, Flags, TurnFlags } from '../../orchestrator/flags.ts'
import type { ChangeTrigger } from '../../orchestrator/prompts/watch-prompts.ts'
import { type FlagRule, parseFlags } from './flags-file.ts'

export interface FileFlags extends Flags {
  /** Looks at the file no more, and forgets the provider. */
  close(): Promise<void>
}

export interface FlagsEvents {
  /** Other flags count from now on: their names with whether each is on for who is named nowhere. */
  changed(flags: Readonly<Record<string, boolean>>): void
  /** The file cannot be used, said once for as long as the reason stays the same. */
  refused(reason: string): void
}

/** On unless the file says otherwise; whatever else there is, is off unless it says so. */
const paths: ReadonlySet<string> = new Set<keyof TurnFlags>(['hedging', 'continue', 'cache'])

let opened = 0

/** The flags of one state of the file. */
interface Known {
  readonly names: readonly string[]
  /** What is the same for everybody, as far as it was asked for. */
  readonly still: Map<string, boolean>
}

/** Resolves when flags can be asked for. Never rejects for what is in the file. */
export async function openFileFlags(file: string, trigger: ChangeTrigger, events: FlagsEvents): Promise<FileFlags> {
  // Each its own name: gateways of one process, as in tests, do not share what is switched.
  const domain = `sluice-${++opened}`
  const provider = new TypedInMemoryProvider({})
  await OpenFeature.setProviderAndWait(domain, provider)
  const client = OpenFeature.getClient(domain)
  let flags: Known = { names: [], still: new Map() }
  let text = ''
  let refusal = ''
  const look = () => {
    try {
      const written = readFileSync(file, 'utf8')
      if (written !== text) {
        const rules = parseFlags(written)
        provider.putConfiguration(configurationOf(rules))
        flags = { names: [...rules.keys()], still: new Map() }
        events.changed(Object.fromEntries([...rules].map(([name, rule]) => [name, rule.on])))
      }
      text = written
      refusal = ''
    } catch (error) {
      const reason = `unable to use the flags in ${file}: ${error instanceof Error ? error.message : String(error)}`
      if (reason !== refusal) events.refused(reason)
      refusal = reason
    }
  }
  look()
  const stop = trigger(look)
  return {
    of: (who) => evaluate(client, flags, who),
    async close() {
      stop()
      await OpenFeature.setProviderAndWait(domain, new TypedInMemoryProvider({}))
    },
  }
}

function configurationOf(rules: ReadonlyMap<string, FlagRule>) {
  return Object.fromEntries([...rules].map(([name, rule]) => [name, flagOf(rule)]))
}

function flagOf({ on, isOnFor }: FlagRule) {
  const always = { variants: { on: true, off: false }, defaultVariant: word(on), disabled: false }
  if (isOnFor === undefined) return always
  return { ...always, contextEvaluator: (context: EvaluationContext) => word(isOnFor(context)) }
}

function word(on: boolean): 'on' | 'off' {
  return on ? 'on' : 'off'
}

/** An evaluation takes the SDK a tenth of a millisecond; one that is static, as the provider says, is made once. */
async function evaluate(client: Client, flags: Known, who: FlagContext): Promise<TurnFlags> {
  const { session, ...named } = who
  const context = { targetingKey: session, ...named }
  const isOn = async (name: string): Promise<boolean> => {
    const { value, reason } = await client.getBooleanDetails(name, paths.has(name), context)
    if (reason === StandardResolutionReasons.STATIC) flags.still.set(name, value)
    return value
  }
  const values = flags.names.map(async (name) => [name, flags.still.get(name) ?? (await isOn(name))] as const)
  const on = new Map(await Promise.all(values))
  return {
    hedging: on.get('hedging') ?? true,
    continue: on.get('continue') ?? true,
    cache: on.get('cache') ?? true,
    experiment: (flag) => on.get(flag) ?? false,
  }
}
