export interface Framing {
  readonly lengths: readonly string[]
  readonly codings: readonly string[]
  readonly isUpgrade: boolean
  /** HTTP/1.0, which has no codings: another reader of it sees no body, or another length. */
  readonly isOldHttp: boolean
}

/**
 * What two readers of one request could read differently, so that a proxy in front of the gateway and the gateway disagree
 * where it ends (RFC 9112, 6 and 11.2). A library refuses part of it by itself; this is checked on every library.
 */
export function isFramingUnsafe({ lengths, codings, isUpgrade, isOldHttp }: Framing): boolean {
  const hasBody = lengths.length > 0 || codings.length > 0
  // What follows an upgrade is frames for one reader and a body for another.
  if (isUpgrade && hasBody) return true
  if (isOldHttp && codings.length > 0) return true
  if (lengths.length + codings.length > 1) return true
  return lengths.some((length) => !/^\d{1,15}$/.test(length)) || codings.some((coding) => coding !== 'chunked')
}

/** Whether a header that is a list (`Connection`, `Upgrade`) has this entry, in any case. */
export function hasToken(list: string | undefined, token: string): boolean {
  return (
    list
      ?.toLowerCase()
      .split(',')
      .some((each) => each.trim() === token) === true
  )
}
