import { type Append, Appends } from './appends.ts'
import type { Keys } from './keys.ts'
import { againMax } from './limits.ts'
import { type Argument, type RedisLink, type Reply, StoreAway, type Value } from './redis-link.ts'
import type { Waiting } from './replica-wait.ts'
import { text } from './replies.ts'
import type { ScriptName, Scripts } from './scripts.ts'
import type { RedisShares } from './shares.ts'

/** What the operations of the Redis store have in common: its scripts, keys, connections and times. */
export class RedisStore {
  readonly keys: Keys
  readonly ttlMs: number
  readonly unknown: () => void
  readonly shares: RedisShares
  readonly #scripts: Scripts
  readonly #link: RedisLink
  readonly #appends: Appends
  /** For what waits for replicas, so that no append waits behind it (STORE B7). */
  readonly #durable: { readonly link: RedisLink; readonly waiting: Waiting } | undefined

  constructor(parts: {
    readonly keys: Keys
    readonly scripts: Scripts
    readonly link: RedisLink
    readonly durable: { readonly link: RedisLink; readonly waiting: Waiting } | undefined
    readonly ttlMs: number
    readonly unknown: () => void
    readonly shares: RedisShares
  }) {
    this.keys = parts.keys
    this.ttlMs = parts.ttlMs
    this.unknown = parts.unknown
    this.shares = parts.shares
    this.#scripts = parts.scripts
    this.#link = parts.link
    this.#appends = new Appends((keys, args) => this.run('append-joined', keys, ...args))
    this.#durable = parts.durable
  }

  run(name: ScriptName, keys: readonly string[], ...args: readonly Argument[]): Promise<Reply> {
    return this.#link.run(this.#script(name), keys, args)
  }

  /** The same for what is acknowledged to somebody: with replicas to wait for, not before they have it. */
  runDurably(name: ScriptName, keys: readonly string[], ...args: readonly Argument[]): Promise<Reply> {
    if (this.#durable === undefined) return this.run(name, keys, ...args)
    return this.#durable.link.runDurably(this.#script(name), keys, args, this.#durable.waiting)
  }

  /** Together with others; -1 for what must be asked alone. */
  appendJoined(append: Append): Promise<number> {
    return this.#appends.append(this.#link.placeOf(append.meta), append)
  }

  /** Throws `StoreAway` while replicas are waited for in vain: what is begun then would wait too (STORE B8). */
  refuseWhenShort(session: string): void {
    if (this.#durable?.link.isShort(this.keys.meta(session)) === true) throw new StoreAway('NOREPLICAS')
  }

  /** Of meta and log, and of what else the script touches. */
  of(session: string, ...more: readonly string[]): readonly string[] {
    return [this.keys.meta(session), this.keys.log(session), ...more]
  }

  command(name: string, ...args: readonly Argument[]): Promise<Value> {
    return this.#link.command(name, ...args)
  }

  /** A script can only touch keys that it was given: it says which these are, when they are others (STORE B5). */
  async runAgain(first: readonly string[], ask: (tapes: readonly string[]) => Promise<Reply>, named: NamedTapes) {
    let tapes = first
    for (let round = 0; round < againMax; round += 1) {
      const reply = await ask(tapes)
      const others = named(reply)
      if (others === undefined) return reply
      tapes = others
    }
    throw new StoreAway('AGAIN')
  }

  #script(name: ScriptName) {
    const script = this.#scripts.get(name)
    if (script === undefined) throw new Error(`unable to run the store's script ${name}: it was not loaded`)
    return script
  }
}

/** The tapes that a reply asks for; `undefined` for a reply that is an answer. */
type NamedTapes = (reply: Reply) => readonly string[] | undefined

export function kindOf(reply: Reply): string {
  return text(reply[0])
}
