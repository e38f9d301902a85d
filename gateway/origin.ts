/**
 * Whether a page may use this gateway (RFC 6454). Browsers send `Origin` with every upgrade and cross-site request and
 * no script can change it; other clients send none and are judged by their token alone.
 *
 * `allowed`: exact origins, or `own`: the origin that the request itself was made to.
 */
export function isAllowedOrigin(
  allowed: readonly string[] | 'own',
  origin: string | undefined,
  host: string | undefined,
): boolean {
  if (origin === undefined) return true
  if (allowed !== 'own') return allowed.includes(origin)
  if (host === undefined || !URL.canParse(origin)) return false
  // The scheme is not compared: behind a proxy that ends TLS the gateway sees http where the page was https.
  return new URL(origin).host === host.toLowerCase()
}
