import { resolve } from 'node:path'
import { build } from 'vite'

/** Builds the page into `web/dist`, from where the gateway serves it. */
export async function buildPage(): Promise<void> {
  const root = resolve(import.meta.dirname, '../../web')
  await build({ root, logLevel: 'error', mode: 'production' })
}
