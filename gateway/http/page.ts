import { readFileSync, realpathSync, statSync } from 'node:fs'
import { extname, join, sep } from 'node:path'
import { KeptAnswer } from './kept-answer.ts'
import { pageFileBytes, pageKeptBytes } from './limits.ts'

/**
 * The chat page's files. A path is made of plain names only, and what it leads to must really lie in the folder, so no
 * request reads anything else. Names under `assets/` carry a hash of their content and never change; everything else is
 * asked for again each time, by its ETag. Files are read once and kept in memory, until they change.
 */
export class PageFiles {
  readonly #dir: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #kept = new Map<string, KeptFile>()
  #keptBytes = 0

  constructor(dir: string, tokenUrl: string | undefined) {
    this.#dir = dir
    this.#headers = { ...pageHeaders, 'content-security-policy': contentSecurityPolicy(tokenUrl) }
  }

  /**
   * The file at this path; `undefined`: there is none. One that is not in memory is read at once, before the next request
   * is looked at: so however many ask for it meanwhile share one copy.
   */
  answer(path: string): KeptAnswer | undefined {
    const name = fileName(path)
    if (name === undefined) return undefined
    const kept = this.#kept.get(name)
    if (kept !== undefined && (isHashed(name) || this.#isUnchanged(name, kept))) return kept.answer
    const file = readInside(this.#dir, name)
    if (file === undefined) return undefined
    const type = mediaTypes.get(extname(name)) ?? 'application/octet-stream'
    const caching = isHashed(name) ? 'public, max-age=31536000, immutable' : 'no-cache'
    const answer = new KeptAnswer(file.body, type, { ...this.#headers, 'cache-control': caching })
    this.#keep(name, { version: file.version, answer })
    return answer
  }

  #keep(name: string, file: KeptFile): void {
    this.#keptBytes += file.answer.bytes - (this.#kept.get(name)?.answer.bytes ?? 0)
    this.#kept.set(name, file)
    if (this.#keptBytes <= pageKeptBytes) return
    this.#kept.clear()
    this.#keptBytes = 0
  }

  /** Some microseconds; hashed files are not asked about. */
  #isUnchanged(name: string, file: KeptFile): boolean {
    try {
      return versionOf(statSync(join(this.#dir, name))) === file.version
    } catch {
      return false // it is gone, or cannot be looked at
    }
  }
}

interface KeptFile {
  readonly version: string
  readonly answer: KeptAnswer
}

function versionOf({ ino, size, mtimeMs }: { ino: number; size: number; mtimeMs: number }): string {
  return `${ino} ${size} ${mtimeMs}`
}

function isHashed(name: string): boolean {
  return name.startsWith('assets/')
}

const plainPath = /^(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/

function fileName(path: string): string | undefined {
  if (path === '/') return 'index.html'
  return path.length <= 256 && plainPath.test(path) ? path.slice(1) : undefined
}

function readInside(dir: string, name: string): { body: Buffer; version: string } | undefined {
  try {
    const root = realpathSync(dir)
    const file = realpathSync(join(root, name))
    if (!file.startsWith(root + sep)) return undefined
    // Before it is read: a change in between is seen with the next request.
    const about = statSync(file)
    if (!about.isFile() || about.size > pageFileBytes) return undefined
    return { body: readFileSync(file), version: versionOf(about) }
  } catch {
    // Not there, or not readable: for who asks it is the same.
    return undefined
  }
}

export function pageNotBuilt(): Response {
  const text = [
    'Sluice is running. Its chat page is not built yet.',
    '',
    'Build it with `npx vite build web` in the project, or start with `npm start`, which does that when it is needed.',
    'The API needs no page: /v1/openapi.json describes it.',
    '',
  ].join('\n')
  return new Response(text, { status: 404, headers: { ...pageHeaders, 'content-type': 'text/plain; charset=utf-8' } })
}

/** The page runs what it is served and talks to where it came from, and to where its token comes from. */
function contentSecurityPolicy(tokenUrl: string | undefined): string {
  const tokenOrigin = tokenUrl !== undefined && URL.canParse(tokenUrl) ? ` ${new URL(tokenUrl).origin}` : ''
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "manifest-src 'self'",
    `connect-src 'self'${tokenOrigin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
}

const pageHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
  // What the page never uses. Copying to the clipboard is not here.
  'permissions-policy':
    'camera=(), display-capture=(), geolocation=(), microphone=(), midi=(), payment=(), serial=(), usb=()',
}

const mediaTypes: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.json', 'application/json'],
  ['.webmanifest', 'application/manifest+json'],
  ['.svg', 'image/svg+xml'],
  ['.png', 'image/png'],
  ['.ico', 'image/x-icon'],
  ['.woff2', 'font/woff2'],
  ['.txt', 'text/plain; charset=utf-8'],
])
