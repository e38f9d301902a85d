/**
 * Feature flags from a file, through OpenFeature, so that another provider can take the file's place without a word
 * changing in what asks. Evaluated in this process alone: a turn waits for nothing.
 *
 * The file is taken whole or not at all. One that is missing or bad switches nothing: what counted goes on to count, at
 * the start the defaults, and it is said once.
 */
import { readFileSync } from 'node:fs'
import { type Client, OpenFeature, TypedInMemoryProvider } from '@openfeature/server-sdk'
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
const paths = ['hedging', 'continue', 'cache'] as const

let opened = 0

/** Resolves when flags can be asked for. Never rejects for what is in the file. */
export async function openFileFlags(file: string, trigger: ChangeTrigger, events: FlagsEvents): Promise<FileFlags> {
  // Each its own name: gateways of one process, as in tests, do not share what is switched.
  const domain = `sluice-${++opened}`
  const provider = new TypedInMemoryProvider({})
  await OpenFeature.setProviderAndWait(domain, provider)
  const client = OpenFeature.getClient(domain)
  let names: readonly string[] = []
  let text = ''
  let refusal = ''
  const look = () => {
    try {
      const written = readFileSync(file, 'utf8')
      if (written !== text) {
        const rules = parseFlags(written)
        provider.putConfiguration(configurationOf(rules))
        names = [...rules.keys()]
        events.changed(Object.fromEntries([...rules].map(([name, rule]) => [name, rule.isOn({})])))
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
    of: (who) => evaluate(client, names, who),
    async close() {
      stop()
      await OpenFeature.setProviderAndWait(domain, new TypedInMemoryProvider({}))
    },
  }
}

function configurationOf(rules: ReadonlyMap<string, FlagRule>) {
  const variants = { on: true, off: false }
  return Object.fromEntries(
    [...rules].map(([name, rule]) => [
      name,
      {
        variants,
        defaultVariant: 'off' as const,
        disabled: false,
        contextEvaluator: (context: Parameters<FlagRule['isOn']>[0]) => (rule.isOn(context) ? 'on' : 'off'),
      },
    ]),
  )
}

async function evaluate(client: Client, names: readonly string[], who: FlagContext): Promise<TurnFlags> {
  const { session, ...named } = who
  const context = { targetingKey: session, ...named }
  const isPath = (name: string) => paths.some((path) => path === name)
  const values = await Promise.all(
    names.map(async (name) => [name, await client.getBooleanValue(name, isPath(name), context)] as const),
  )
  const on = new Map(values)
  return {
    hedging: on.get('hedging') ?? true,
    continue: on.get('continue') ?? true,
    cache: on.get('cache') ?? true,
    experiment: (flag) => on.get(flag) ?? false,
  }
}
