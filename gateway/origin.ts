import { normalizeOrigin } from './config/network.ts'

/**
 * Whether a page may use this gateway (RFC 6454). Browsers send `Origin` with every upgrade and cross-site request and
 * no script can change it; other clients send none and are judged by their token alone.
 *
 * `allowed`: origins as `readAllowedOrigin` gives them, or `own`: the origin that the request itself was made to, by any of
 * `hosts`.
 */
export function isAllowedOrigin(
  allowed: readonly string[] | 'own',
  origin: string | undefined,
  hosts: readonly string[],
): boolean {
  if (origin === undefined) return true
  const normal = normalizeOrigin(origin)
  if (normal === undefined) return false
  if (allowed !== 'own') return allowed.some((rule) => matches(rule, normal))
  const page = new URL(normal)
  return hosts.some((host) => isServedAt(page, host))
}

/** One label or several, as they are in a normalized origin. */
const labels = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/

function matches(rule: string, origin: string): boolean {
  const star = rule.indexOf('*')
  if (star === -1) return rule === origin
  const [before, behind] = [rule.slice(0, star), rule.slice(star + 1)]
  if (!origin.startsWith(before) || !origin.endsWith(behind)) return false
  return labels.test(origin.slice(before.length, -behind.length))
}

/**
 * The scheme is not compared: behind a proxy that ends TLS the gateway sees http where the page was https. For the same reason
 * a default port in `Host` may be the other scheme's: proxies write the port that they themselves listen on.
 */
function isServedAt(page: URL, host: string): boolean {
  const served = authority.test(host) ? URL.parse(`${page.protocol}//${host}`) : null
  if (served === null || withoutDot(served.hostname) !== withoutDot(page.hostname)) return false
  return served.port === page.port || (page.port === '' && (served.port === '80' || served.port === '443'))
}

const authority = /^[^/?#@\\\s]+$/

/** The dot at the end of a complete DNS name, which some proxies take away. */
function withoutDot(hostname: string): string {
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname
}

/** What a request says of the host that it was made to. */
export interface HostHeaders {
  readonly host?: string | undefined
  /** `X-Forwarded-Host` */
  readonly forwardedHost?: string | undefined
  /** `Forwarded` (RFC 7239) */
  readonly forwarded?: string | undefined
}

/**
 * The hosts that a request may have been made to: `Host` and, from a trusted proxy, what it says `Host` was before it. A page
 * cannot send these headers to another origin without a preflight, which does not have them.
 */
export function hostsOf({ host, forwardedHost, forwarded }: HostHeaders, isTrusted: boolean): readonly string[] {
  const named = isTrusted ? [forwardedHost?.split(',', 1)[0]?.trim(), hostInForwarded(forwarded)] : []
  return [host, ...named].filter((each) => each !== undefined)
}

/** Of the first element, which is the client's: the proxy nearest to it wrote it. A quoted value may hold `;`, `,` and `=`. */
function hostInForwarded(forwarded = ''): string | undefined {
  for (const [, name = '', quoted, token] of forwarded.matchAll(/([\w-]+)=(?:"([^"]*)"|([^\s;,"]*))(?:\s*;\s*)?/gy)) {
    if (name.toLowerCase() === 'host') return quoted ?? token
  }
  return undefined
}
