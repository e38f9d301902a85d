import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'

/** A folder with these files in it, by their paths. */
export function folderOf(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-prompts-'))
  for (const [path, text] of Object.entries(files)) put(folder, path, text)
  return folder
}

export function put(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** A prompt's files: its versions from 1 on, `production` at the first unless `more` says otherwise. */
export function promptOf(name: string, texts: readonly string[], more: object = {}): Record<string, string> {
  const versions = texts.map((text, index) => ({
    version: index + 1,
    date: '2026-01-01',
    changed: `number ${index + 1}`,
    sha256: createHash('sha256').update(text).digest('hex'),
  }))
  const listed = { versions, labels: { production: 1 }, ...more }
  const files = texts.map((text, index) => [`${name}/v${index + 1}.md`, text])
  return { ...Object.fromEntries(files), [`${name}/prompt.yaml`]: stringify(listed) }
}
