import { isDeepStrictEqual } from 'node:util'
import type { Policy, TargetPolicy } from '../policy.ts'
import type { Clock, Provider } from '../ports.ts'
import { Target } from './target.ts'

export interface TargetsPorts {
  readonly clock: Clock
  connect(target: TargetPolicy): Provider
}

/** The targets of the policy that holds now. One that did not change keeps what is known of it. */
export class Targets {
  readonly #ports: TargetsPorts
  #targets = new Map<string, Target>()
  #breaker: Policy['breaker'] | undefined

  constructor(policy: Policy, ports: TargetsPorts) {
    this.#ports = ports
    this.replace(policy)
  }

  /** Answers that are under way at a target that is gone end there. */
  replace(policy: Policy): void {
    const before = this.#targets
    const isBreakerSame = isDeepStrictEqual(policy.breaker, this.#breaker)
    this.#breaker = policy.breaker
    this.#targets = new Map()
    for (const [name, target] of policy.targets) {
      const known = before.get(name)
      const isSame = isBreakerSame && known !== undefined && isDeepStrictEqual(known.policy, target)
      this.#targets.set(name, isSame ? known : this.#made(target, policy))
      if (isSame) before.delete(name)
    }
    for (const target of before.values()) target.retire()
  }

  get(name: string): Target | undefined {
    return this.#targets.get(name)
  }

  /** For metrics: by name, how each one does. */
  states(): ReadonlyMap<string, Target['state']> {
    return new Map([...this.#targets].map(([name, { state }]) => [name, state]))
  }

  close(): void {
    for (const target of this.#targets.values()) target.close()
  }

  #made(target: TargetPolicy, { breaker }: Policy): Target {
    return new Target(target, breaker, this.#ports.connect(target), this.#ports.clock)
  }
}
