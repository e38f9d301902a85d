import { loadUws } from './load-uws.ts'
import type { CreateTransport, TransportLog } from './transport.ts'
import { createUwsTransport } from './uws-transport.ts'
import { createWsTransport } from './ws-transport.ts'

export type TransportChoice = 'ws' | 'uws' | 'auto'

/**
 * `auto` is uWebSockets.js where it can be loaded, else `ws`. Rejects only for `uws`, when it cannot be loaded, with a
 * message that says how to get it. `uwsPath`: its entry file (default: the installed package).
 */
export async function chooseTransport(
  choice: TransportChoice,
  uwsPath: string | undefined,
  log: TransportLog,
): Promise<CreateTransport> {
  if (choice === 'ws') return chosen({ transport: 'ws' }, createWsTransport, log)
  const loaded = await loadUws(uwsPath)
  if (loaded.kind === 'ok') return chosen({ transport: 'uws' }, createUwsTransport(loaded.uws), log)
  if (choice === 'uws') throw new Error(loaded.message)
  return chosen({ transport: 'ws', why: loaded.message }, createWsTransport, log)
}

function chosen(fields: object, create: CreateTransport, log: TransportLog): CreateTransport {
  log.info(fields, 'transport chosen')
  return create
}
