/** Words that a client chose, as far as logs and metrics may have them; anything else is `other`. */

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** uWebSockets.js hands over any method of capital letters. */
export function methodLabel(method: string): string {
  return methods.has(method) ? method : 'other'
}

/** A client may call itself anything; only what looks like a product and its version is written. */
export function productLabel(client: string): string {
  return client.length <= 64 && /^(?:@[\w.-]+\/)?[\w.-]+(?:\/[\w.+-]+)?$/.test(client) ? client : 'other'
}
