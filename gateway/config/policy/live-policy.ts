/**
 * The policy as it is now, for as long as the gateway runs.
 *
 * The files are read again at an interval, and compared by what is in them: notices of the file system are lost where
 * Kubernetes swaps the link to a mounted folder, and times of change are too coarse. A change is taken over when two readings
 * found the same, so half of a file that is being written is none; then the whole of it is, or nothing, and the log says why.
 */
import type { Policy } from '../../../orchestrator/policy.ts'
import { pollMs } from './bounds.ts'
import { configFileOf, judge, type PolicyResult, type PolicySources, type Reading, readSources } from './read-policy.ts'
import { SecretFiles } from './secret-files.ts'

/** What the rest of the gateway needs of it. */
export interface PolicySource {
  current(): Policy
  /** Called with each new policy, after `current` answers it. The result takes the listener away. */
  onChange(listener: (policy: Policy) => void): () => void
}

export interface PolicyLog {
  info(fields: object, words: string): void
  warn(fields: object, words: string): void
  error(fields: object, words: string): void
}

export type PolicyOpening =
  | {
      readonly kind: 'ok'
      readonly live: LivePolicy
      /** What may be meant so, for the log. */
      readonly warnings: readonly string[]
      /** Whether there is a file; else the policy is the environment's. */
      readonly hasFile: boolean
    }
  | Extract<PolicyResult, { readonly kind: 'invalid' }>

/** Reads it for the first time. What is wrong is a value; rejects only when the bundled provider does not start. */
export async function openPolicy(sources: PolicySources): Promise<PolicyOpening> {
  const cells = new SecretFiles()
  const reading = await readSources(sources, [])
  cells.update(reading.named.secrets)
  const result = await judge(reading, sources, cells)
  if (result.kind === 'invalid') return result
  const live = new LivePolicy(sources, cells, reading, result)
  return { kind: 'ok', live, warnings: result.warnings, hasFile: reading.parsed !== undefined }
}

type Judged = Extract<PolicyResult, { readonly kind: 'ok' }>

export class LivePolicy implements PolicySource {
  readonly #sources: PolicySources
  readonly #cells: SecretFiles
  readonly #listeners = new Set<(policy: Policy) => void>()
  #policy: Policy
  /** Of the policy that is current; of the last reading that was taken or refused; of one that was seen once. */
  #policyPrint: string
  #print: string
  #unsettled: string | undefined
  #last: Pick<Reading, 'text' | 'parsed'>
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(sources: PolicySources, cells: SecretFiles, reading: Reading, { policy }: Judged) {
    this.#sources = sources
    this.#cells = cells
    this.#policy = policy
    this.#policyPrint = reading.policyPrint
    this.#print = reading.print
    this.#last = reading
  }

  current(): Policy {
    return this.#policy
  }

  onChange(listener: (policy: Policy) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Begins to look for changes, every `everyMs` milliseconds (default: a second), until `close`. */
  watch(log: PolicyLog, everyMs = pollMs): void {
    const again = () => {
      if (this.#isClosed) return
      this.#timer = setTimeout(look, everyMs).unref()
    }
    const look = () => {
      this.check(log)
        .catch((error: unknown) => log.error({ err: error }, 'unable to look for a changed configuration'))
        .finally(again)
    }
    again()
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#listeners.clear()
  }

  /** Looks once. A change is taken over by the second look that finds it. One call at a time. */
  async check(log: PolicyLog): Promise<void> {
    const reading = await readSources(this.#sources, this.#cells.paths(), this.#last)
    this.#last = reading
    const isSettled = reading.print === this.#unsettled
    this.#unsettled = undefined
    if (this.#isClosed || reading.print === this.#print) return
    if (!isSettled) {
      this.#unsettled = reading.print
      return
    }
    this.#print = reading.print
    await this.#take(reading, log)
  }

  async #take(reading: Reading, log: PolicyLog): Promise<void> {
    this.#takeSecrets(reading, log)
    if (reading.policyPrint === this.#policyPrint) return
    const file = configFileOf(this.#sources)
    const result = await this.#judge(reading)
    if (this.#isClosed) return
    if (result.kind === 'invalid') {
      log.error({ file, problems: result.problems }, 'the changed configuration is refused: the one before stays')
      return
    }
    this.#policyPrint = reading.policyPrint
    this.#policy = result.policy
    this.#cells.keepOnly(result.secretPaths)
    log.info({ file, warnings: result.warnings }, 'the changed configuration is taken over')
    for (const listener of this.#listeners) this.#tell(listener, log)
  }

  /** A file that was there and is gone was not meant to be the end of all its limits. */
  async #judge(reading: Reading): Promise<PolicyResult> {
    if (reading.parsed !== undefined) return judge(reading, this.#sources, this.#cells)
    return {
      kind: 'invalid',
      problems: [`${configFileOf(this.#sources)} is gone; put it back, or start anew without it`],
    }
  }

  #takeSecrets({ named }: Reading, log: PolicyLog): void {
    const { rotated, bad } = this.#cells.update(named.secrets)
    if (rotated.length > 0) log.info({ files: rotated }, 'changed files of secrets are taken over')
    if (bad.length > 0)
      log.error(
        { problems: bad.map(({ path, words }) => `${path}: the configuration ${words}`) },
        'a changed file of a secret is refused: what it had before stays',
      )
  }

  /** One that throws is a bug of its own; the others hear of the change. */
  #tell(listener: (policy: Policy) => void, log: PolicyLog): void {
    try {
      listener(this.#policy)
    } catch (error) {
      log.error({ err: error }, 'a part of the gateway failed to take the changed configuration over')
    }
  }
}
