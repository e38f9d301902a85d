import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { MAX_HEADER_BYTES } from './http-answer.ts'
import type { Uws } from './uws-types.ts'

export type LoadedUws =
  | { readonly kind: 'ok'; readonly uws: Uws }
  | { readonly kind: 'missing'; readonly message: string }

/** Its author's name for it, and the one under which npm has it. */
const PACKAGE_NAMES = ['uWebSockets.js', 'uwebsockets']

/** Loads uWebSockets.js from the file at `path`, or else as an installed package. Never rejects. */
export async function loadUws(path?: string): Promise<LoadedUws> {
  // It reads its limit, else 4 KiB, from the environment when it is loaded.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(MAX_HEADER_BYTES)
  const reasons: string[] = []
  for (const specifier of path ? [pathToFileURL(resolve(path)).href] : PACKAGE_NAMES) {
    try {
      const imported: { readonly default?: unknown } = await import(specifier)
      if (isUws(imported.default)) return { kind: 'ok', uws: imported.default }
      reasons.push(`${specifier} is not uWebSockets.js`)
    } catch (error) {
      reasons.push(firstLine(error))
    }
  }
  return { kind: 'missing', message: missingMessage(reasons) }
}

function isUws(value: unknown): value is Uws {
  return typeof value === 'object' && value !== null && 'App' in value && typeof value.App === 'function'
}

function missingMessage(reasons: readonly string[]): string {
  return (
    `unable to load uWebSockets.js (${reasons.join('; ')}). Install it from its author ` +
    '(npm install uNetworking/uWebSockets.js) on a system with glibc 2.38 or newer (Debian 13, Ubuntu 24.04), ' +
    'or name its uws.js in SLUICE_UWS_PATH, or use SLUICE_TRANSPORT=ws'
  )
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split(/\n| imported from /, 1)[0] ?? ''
}
