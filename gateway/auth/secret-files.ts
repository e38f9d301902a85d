import { secretBytesFor } from '../config/rules.ts'
import { type JwtAlgorithm, readSecret } from '../config/variables.ts'
import type { ParsedKey } from './key-files.ts'
import { HmacSecret } from './key-source.ts'
import { digestOf } from './verified-tokens.ts'

/** The HMAC secret of a file, without the white space around it: editors and `echo` end files with a line break. */
export const parseSecret = (text: string, algorithms: readonly JwtAlgorithm[] | undefined): ParsedKey<HmacSecret> => {
  const secret = readSecret(text.trim())?.reveal()
  const needed = Math.max(32, secretBytesFor(algorithms ?? []))
  if (secret === undefined || Buffer.byteLength(secret) < needed) {
    return { kind: 'wrong', problem: `holds no secret of at least ${needed} bytes that is not PEM; write one into it` }
  }
  return { kind: 'ok', id: digestOf(secret), value: new HmacSecret(new TextEncoder().encode(secret)) }
}
