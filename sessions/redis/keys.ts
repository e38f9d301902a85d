import { createHash } from 'node:crypto'
import type { Owner } from '../session-log.ts'
import { runningShards } from './limits.ts'

/**
 * The store's keys. All of one session carry it as their hash tag, so that a cluster keeps them together (Redis Cluster
 * specification, "hash tags"); its two channels are named like its keys. Lists over sessions are keys of their own.
 *
 * | key | is |
 * |---|---|
 * | `…{session}m` | meta: a hash |
 * | `…{session}l` | log: a stream, ids `seq-mark` |
 * | `…{session}t:turn:attempt:part` | tape: a string |
 * | `…{o:hash}` | an owner's sessions, by their last use: a sorted set |
 * | `…{o:hash}b` | what each of them holds, in bytes, and their sum: a hash |
 * | `…{n:hash}` | a tenant's owners, by their last use: a sorted set |
 * | `…{n:hash}b` | what each of them holds, in bytes and sessions, and their sums: a hash |
 * | `…{r:n}` | running turns, by their lease's end: a sorted set |
 * | `…{b:hash}t:turn` | what a turn reserved of its tenant's budgets, or that it is settled: a string |
 * | `…{b:hash}n:session` | what a session's turns cost: a hash |
 * | `…{b:hash}c:`, `h:`, `w:` and a scope | what the scope spent, holds (by expiry) and had in the last minute |
 */
export class Keys {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  meta(session: string): string {
    return `${this.#prefix}{${session}}m`
  }

  log(session: string): string {
    return `${this.#prefix}{${session}}l`
  }

  tape(session: string, turn: string, attempt: number | string, part: number): string {
    return `${this.#prefix}{${session}}t:${turn}:${attempt}:${part}`
  }

  tapes(session: string, turn: string, attempt: number | string, parts: number): string[] {
    return Array.from({ length: parts }, (_, part) => this.tape(session, turn, attempt, part))
  }

  /** Where records and nudges are told, … */
  recordsChannel(session: string): string {
    return `${this.#prefix}{${session}}r`
  }

  /** … and where text is. */
  deltasChannel(session: string): string {
    return `${this.#prefix}{${session}}d`
  }

  /** What a node tells itself through a session's slot, to hear that its subscriptions work. */
  heartbeatChannel(tag: string, node: string): string {
    return `${this.#prefix}{${tag}}h:${node}`
  }

  /** By its owner's hash, see `ownerHash`. */
  owner(hash: string): string {
    return `${this.#prefix}{o:${hash}}`
  }

  /** An owner's list and its account. */
  owned(hash: string): readonly [string, string] {
    return [this.owner(hash), `${this.owner(hash)}b`]
  }

  /** A tenant's owners and its account, by its hash. */
  ofTenant(hash: string): readonly [string, string] {
    const owners = `${this.#prefix}{n:${hash}}`
    return [owners, `${owners}b`]
  }

  running(shard: number): string {
    return `${this.#prefix}{r:${shard}}`
  }

  runningOf(session: string): string {
    return this.running(createHash('sha1').update(session).digest().readUInt32BE(0) % runningShards)
  }

  /** Of a tenant's budgets, all of them in one slot. */
  budget(tenant: string, name: string): string {
    return `${this.#prefix}{b:${ownerHash({ tenant, subject: '' })}}${name}`
  }

  /** Of the node's whole store. */
  shared(name: string): string {
    return `${this.#prefix}${name}`
  }
}

/** The length in front keeps a tenant from being continued by a subject. */
export function ownerHash({ tenant, subject }: Owner): string {
  return createHash('sha256').update(`${tenant.length}:${tenant}${subject}`).digest('base64url').slice(0, 22)
}
