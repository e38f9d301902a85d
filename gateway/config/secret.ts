/**
 * A configured secret. A plain string in a config object ends up in a log the first time somebody logs the object;
 * this one shows itself as `[secret]` to JSON, to string concatenation and to `util.inspect`, and gives its value only
 * to who asks by name.
 */
import { inspect } from 'node:util'

const hidden = '[secret]'

export class Secret {
  readonly #read: () => string

  /** A function, for a secret that may be another one the next time it is used. */
  constructor(value: string | (() => string)) {
    this.#read = typeof value === 'string' ? () => value : value
  }

  /** The value itself, as it is now. Call it where the value is used, never where it is passed on. */
  reveal(): string {
    return this.#read()
  }

  toString(): string {
    return hidden
  }

  toJSON(): string {
    return hidden
  }

  [inspect.custom](): string {
    return hidden
  }
}
