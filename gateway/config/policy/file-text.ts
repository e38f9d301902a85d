/** A file as text, with a bound. It is read whole: what decides whether it changed is what is in it. */
import { open } from 'node:fs/promises'

export type FileText =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'absent' }
  /** `words`: what is wrong and what to do, without a word of the file. */
  | { readonly kind: 'wrong'; readonly words: string }

/** Never rejects. Links are followed, so a swap of Kubernetes' `..data` is another text. */
export async function readFileText(path: string, bytesMax: number): Promise<FileText> {
  try {
    const bytes = await readBounded(path, bytesMax)
    if (bytes === undefined) return { kind: 'wrong', words: `is larger than ${bytesMax} bytes; shorten it` }
    return { kind: 'text', text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : ''
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'absent' }
    if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA')
      return { kind: 'wrong', words: 'is no UTF-8 text; save it as UTF-8' }
    return {
      kind: 'wrong',
      words: `cannot be read (${/^E[A-Z0-9_]+$/.test(code) ? code : 'unknown'}); see its path and rights`,
    }
  }
}

/** Undefined: there is more. A pipe or device is read as far as the bound too. */
async function readBounded(path: string, bytesMax: number): Promise<Buffer | undefined> {
  await using file = await open(path)
  const buffer = Buffer.alloc(bytesMax + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) return buffer.subarray(0, length)
    length += bytesRead
  }
  return undefined
}
