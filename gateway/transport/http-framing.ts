/**
 * What two readers of one request could read differently, so that a proxy in front of the gateway and the gateway disagree
 * where it ends (RFC 9112, 6 and 11.2). A library refuses part of it by itself; this is checked on every library.
 */
export function isFramingUnsafe(lengths: readonly string[], codings: readonly string[], isUpgrade: boolean): boolean {
  const hasBody = lengths.length > 0 || codings.length > 0
  // What follows an upgrade is frames for one reader and a body for another.
  if (isUpgrade && hasBody) return true
  if (lengths.length + codings.length > 1) return true
  return lengths.some((length) => !/^\d{1,15}$/.test(length)) || codings.some((coding) => coding !== 'chunked')
}
