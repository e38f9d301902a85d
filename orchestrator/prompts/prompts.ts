/**
 * The system prompts, and which one a turn is asked with: the session's own, else the one that is assigned to who asks,
 * else `default`; of it the version that an experiment says, else the one that its label points at.
 */
import type { RecordOf } from '../../protocol/record.ts'
import type { TurnFlags } from '../flags.ts'
import type { RequestParameters } from '../policy.ts'
import { assignmentFor } from './assignments.ts'
import { type Experiment, takesPart, variantFor } from './experiment.ts'
import { type Assignment, productionLabel } from './prompt-files.ts'
import type { Template } from './template.ts'

export const defaultPrompt = 'default'

/** Which text a turn was asked with, as its record says it. */
export type ChosenPrompt = NonNullable<RecordOf<'turn.started'>['prompt']>

export interface PromptRequest {
  readonly tenant: string
  readonly subject: string
  readonly session: string
  readonly project?: string
  readonly channel?: string
  /** The prompt that the session was made with: it goes before every assignment. */
  readonly named?: string
  /** The model that will answer. */
  readonly model: string
  readonly nowMs: number
}

export type PromptChoice =
  | {
      readonly kind: 'ok'
      readonly system: string
      readonly chosen: ChosenPrompt
      /** What its version asks of the model beside its text. */
      readonly parameters?: RequestParameters
    }
  /** No prompt has the name that the session was made with. */
  | { readonly kind: 'unknown' }

export interface Prompts {
  has(name: string): boolean
  /** The same for the same arguments, on every node with the same files. Throws when a template takes too long or makes too much. */
  choose(request: PromptRequest, flags: Pick<TurnFlags, 'experiment'>): PromptChoice
}

export interface PromptVersion extends Template {
  readonly version: number
  readonly sha256: string
  readonly date: string
  readonly changed: string
  /** Members of the request's body. */
  readonly parameters?: RequestParameters
}

export interface LoadedPrompt {
  readonly name: string
  /** At least one, by number; 0 alone is a file without versions. */
  readonly versions: ReadonlyMap<number, PromptVersion>
  /** `production` is always there. Each points at a version that is there. */
  readonly labels: ReadonlyMap<string, number>
  readonly experiments: readonly Experiment[]
}

/** A folder of prompts, read whole. */
export interface LoadedPrompts extends Prompts {
  readonly prompts: ReadonlyMap<string, LoadedPrompt>
  readonly assignments: readonly Assignment[]
  /** What is allowed and yet not wise, for the operator. */
  readonly warnings: readonly string[]
}

/** `assignments`: as `orderAssignments` answers them. Prompts, labels and versions that are named must be there. */
export function createPrompts(
  prompts: ReadonlyMap<string, LoadedPrompt>,
  assignments: readonly Assignment[],
  warnings: readonly string[],
): LoadedPrompts {
  return {
    prompts,
    assignments,
    warnings,
    has: (name) => prompts.has(name),
    choose(request, flags) {
      const assigned = request.named === undefined ? assignmentFor(assignments, request) : undefined
      const prompt = prompts.get(request.named ?? assigned?.prompt ?? defaultPrompt)
      if (prompt === undefined) return { kind: 'unknown' }
      const chosen = chooseVersion(prompt, assigned?.label ?? productionLabel, request, flags)
      const version = versionOf(prompt, chosen.version)
      const choice = { kind: 'ok', system: version.render(valuesOf(request)), chosen } as const
      return version.parameters === undefined ? choice : { ...choice, parameters: version.parameters }
    },
  }
}

/** An experiment stands in for `production` alone: who is assigned another label gets what that points at. The first that fits counts. */
function chooseVersion(
  prompt: LoadedPrompt,
  label: string,
  { channel, session }: PromptRequest,
  flags: Pick<TurnFlags, 'experiment'>,
): ChosenPrompt {
  const { name, experiments, labels } = prompt
  const running = (one: Experiment) => takesPart(one, channel) && flags.experiment(one.flag)
  const experiment = label === productionLabel ? experiments.find(running) : undefined
  if (experiment === undefined) return { name, version: labels.get(label) ?? missing(name, label) }
  const variant = variantFor(experiment, name, session)
  return { name, version: variant.version, experiment: experiment.name, variant: variant.name }
}

/** Throws when there is no such version, which the loading excluded. */
export function versionOf({ name, versions }: LoadedPrompt, version: number): PromptVersion {
  return versions.get(version) ?? missing(name, version)
}

function missing(name: string, what: string | number): never {
  throw new Error(`unable to find ${what} of prompt ${name}, which was there when it was loaded`)
}

function valuesOf({ nowMs, model, tenant, project, channel }: PromptRequest) {
  const optional = { ...(project !== undefined && { project }), ...(channel !== undefined && { channel }) }
  return { date: new Date(nowMs).toISOString().slice(0, 10), model, tenant, ...optional }
}
