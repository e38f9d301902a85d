import { isDeepStrictEqual } from 'node:util'
import { retiredTargetMs } from '../limits.ts'
import type { Policy, TargetPolicy } from '../policy.ts'
import type { Clock, Provider } from '../ports.ts'
import { Target } from './target.ts'

export interface TargetsPorts {
  readonly clock: Clock
  connect(target: TargetPolicy): Provider
  /** The breaker of a target opened or closed. Must not throw. */
  breakerChanged?(target: string, isOpen: boolean): void
}

/** The targets of the policy that holds now. One that did not change but for its keys keeps what is known of it. */
export class Targets {
  readonly #ports: TargetsPorts
  #current: ReadonlyMap<string, Target> = new Map()
  /** In no policy any more; turns that began before may still call them. */
  readonly #retired = new Map<Target, () => void>()
  #breaker: Policy['breaker'] | undefined

  constructor(policy: Policy, ports: TargetsPorts) {
    this.#ports = ports
    this.replace(policy)
  }

  replace(policy: Policy): void {
    const before = new Map(this.#current)
    const isBreakerSame = isDeepStrictEqual(policy.breaker, this.#breaker)
    this.#breaker = policy.breaker
    const current = new Map<string, Target>()
    for (const [name, target] of policy.targets) {
      const known = isBreakerSame ? before.get(name) : undefined
      if (known !== undefined && isSame(known.policy, target)) {
        known.adopt(target)
        before.delete(name)
        current.set(name, known)
      } else current.set(name, this.#made(target, policy))
    }
    this.#current = current
    for (const target of before.values()) this.#retire(target)
  }

  /** By name. A turn keeps the answer, as it keeps its policy. */
  current(): ReadonlyMap<string, Target> {
    return this.#current
  }

  /** For metrics: by name, how each one does. */
  states(): ReadonlyMap<string, Target['state']> {
    return new Map([...this.#current].map(([name, { state }]) => [name, state]))
  }

  close(): void {
    for (const [target, cancel] of this.#retired) {
      cancel()
      target.close()
    }
    this.#retired.clear()
    for (const target of this.#current.values()) target.close()
  }

  #made(target: TargetPolicy, { breaker }: Policy): Target {
    const changed = (isOpen: boolean) => this.#ports.breakerChanged?.(target.name, isOpen)
    return new Target(target, breaker, this.#ports.connect(target), this.#ports.clock, changed)
  }

  #retire(target: Target): void {
    const cancel = this.#ports.clock.after(retiredTargetMs, () => {
      this.#retired.delete(target)
      target.close()
    })
    this.#retired.set(target, cancel)
  }
}

/** Keys are secrets, which show nothing to be compared by; they are always taken anew. */
function isSame(known: TargetPolicy, { keys: _keys, ...target }: TargetPolicy): boolean {
  const { keys: _known, ...before } = known
  return isDeepStrictEqual(before, target)
}
