import { createHash } from 'node:crypto'
import { readFile, realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { pageFileBytes } from './limits.ts'

/**
 * The chat page's files. A path is made of plain names only, and what it leads to must really lie in the folder, so no
 * request reads anything else. Names under `assets/` carry a hash of their content and never change; everything else is
 * asked for again each time, by its ETag.
 */
export interface Page {
  /** `undefined`: there is no such file. */
  answer(path: string, ifNoneMatch: string | null): Promise<Response | undefined>
}

export function servePage(dir: string, tokenUrl: string | undefined): Page {
  const headers = { ...pageHeaders, 'content-security-policy': contentSecurityPolicy(tokenUrl) }
  return {
    answer: async (path, ifNoneMatch) => {
      const name = path === '/' ? 'index.html' : fileName(path)
      const bytes = name === undefined ? undefined : await readInside(dir, name)
      if (name === undefined || bytes === undefined) return path === '/' ? notBuilt() : undefined
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
      const isHashed = name.startsWith('assets/')
      const caching = { etag, 'cache-control': isHashed ? 'public, max-age=31536000, immutable' : 'no-cache' }
      if (isKnown(ifNoneMatch, etag)) return new Response(null, { status: 304, headers: { ...headers, ...caching } })
      const type = mediaTypes.get(extname(name)) ?? 'application/octet-stream'
      return new Response(new Uint8Array(bytes), { headers: { ...headers, ...caching, 'content-type': type } })
    },
  }
}

const plainPath = /^(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$/

function fileName(path: string): string | undefined {
  return path.length <= 256 && plainPath.test(path) ? path.slice(1) : undefined
}

async function readInside(dir: string, name: string): Promise<Buffer | undefined> {
  try {
    const root = await realpath(dir)
    const file = await realpath(join(root, name))
    if (!file.startsWith(root + sep)) return undefined
    const about = await stat(file)
    return about.isFile() && about.size <= pageFileBytes ? await readFile(file) : undefined
  } catch {
    // Not there, or not readable: for who asks it is the same.
    return undefined
  }
}

function isKnown(ifNoneMatch: string | null, etag: string): boolean {
  return (ifNoneMatch ?? '').split(',').some((known) => known.trim().replace(/^W\//, '') === etag)
}

function notBuilt(): Response {
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
