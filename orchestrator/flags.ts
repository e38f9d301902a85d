/**
 * What may be switched off while the gateway runs, without a deployment: paths that are risky, and experiments.
 */
export interface Flags {
  /** The flags for one turn, taken once: a turn keeps what it began with. Waits for nothing outside the process, never rejects. */
  of(who: FlagContext): Promise<TurnFlags>
}

export interface FlagContext {
  readonly tenant: string
  readonly subject: string
  readonly session: string
  readonly project?: string
}

export interface TurnFlags {
  /** A second target may be called when the first one is slow. Default on. */
  readonly hedging: boolean
  /** A broken answer may go on from what there is of it; off, it begins anew. Default on. */
  readonly continue: boolean
  /** Answers may come from the cache, and go there. Default on. */
  readonly cache: boolean
  /** Whether an experiment runs, by its flag. Default off. */
  experiment(flag: string): boolean
}

const defaultFlags: TurnFlags = { hedging: true, continue: true, cache: true, experiment: () => false }

/** Where there is nothing to switch: all risky paths are open, and no experiment runs. */
export const noFlags: Flags = { of: async () => defaultFlags }
