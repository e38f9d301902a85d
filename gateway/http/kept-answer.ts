import { createHash } from 'node:crypto'
import type { WholeAnswer } from '../transport/transport.ts'

/** Bytes that are answered as they are: hashed once, and both of their answers made once. */
export class KeptAnswer {
  readonly #whole: WholeAnswer
  readonly #notModified: WholeAnswer
  readonly #etag: string

  constructor(body: Buffer, type: string, headers: Readonly<Record<string, string>>) {
    this.#etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
    const common = { ...headers, etag: this.#etag }
    this.#whole = { status: 200, headers: { ...common, 'content-type': type }, body }
    this.#notModified = { status: 304, headers: common, body: nothing }
  }

  get bytes(): number {
    return this.#whole.body.length
  }

  answer(ifNoneMatch: string | undefined): WholeAnswer {
    return ifNoneMatch !== undefined && this.#isKnown(ifNoneMatch) ? this.#notModified : this.#whole
  }

  #isKnown(ifNoneMatch: string): boolean {
    return ifNoneMatch.split(',').some((known) => known.trim().replace(/^W\//, '') === this.#etag)
  }
}

/** For what is asked for with `fetch`'s objects. */
export function responseOf({ status, headers, body }: WholeAnswer): Response {
  return new Response(status === 304 ? null : new Uint8Array(body), { status, headers })
}

const nothing = Buffer.alloc(0)
