/**
 * SHA-256 (FIPS 180-4). Written out because `crypto.subtle` is missing on plain http and on some phones, and because the
 * smallest library costs more than a fifth of what the whole client may weigh. It checks that a text arrived as it was
 * sent; it guards no secret.
 */

/** The hash in hex. */
export function sha256Hex(data: Uint8Array): string {
  const blocks = new DataView(new ArrayBuffer(((data.length + 72) >> 6) << 6))
  new Uint8Array(blocks.buffer).set(data)
  blocks.setUint8(data.length, 0x80)
  blocks.setUint32(blocks.byteLength - 8, Math.floor(data.length / 2 ** 29))
  blocks.setUint32(blocks.byteLength - 4, data.length << 3)
  const hash = Int32Array.from(startValues)
  for (let at = 0; at < blocks.byteLength; at += 64) addBlock(hash, blocks, at)
  return Array.from(hash, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
}

/** The first 32 bits of the fraction of a root, as the standard makes its constants. */
const fraction = (root: number): number => ((root % 1) * 2 ** 32) | 0
const primes: number[] = []
for (let candidate = 2; primes.length < 64; candidate++) {
  if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate)
}
const startValues = primes.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)))
const roundValues = Int32Array.from(primes, (prime) => fraction(Math.cbrt(prime)))
const words = new Int32Array(64)

const rotate = (word: number, bits: number): number => (word >>> bits) | (word << (32 - bits))
const word = (values: Int32Array, index: number): number => values[index] ?? 0

function addBlock(hash: Int32Array, blocks: DataView, at: number): void {
  let a = word(hash, 0)
  let b = word(hash, 1)
  let c = word(hash, 2)
  let d = word(hash, 3)
  let e = word(hash, 4)
  let f = word(hash, 5)
  let g = word(hash, 6)
  let h = word(hash, 7)
  for (let index = 0; index < 64; index++) {
    if (index < 16) words[index] = blocks.getInt32(at + index * 4)
    else {
      const older = word(words, index - 15)
      const newer = word(words, index - 2)
      const first = rotate(older, 7) ^ rotate(older, 18) ^ (older >>> 3)
      const second = rotate(newer, 17) ^ rotate(newer, 19) ^ (newer >>> 10)
      words[index] = word(words, index - 16) + first + word(words, index - 7) + second
    }
    const choice = (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g))
    const added = (h + choice + word(roundValues, index) + word(words, index)) | 0
    const majority = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
    h = g
    g = f
    f = e
    e = (d + added) | 0
    d = c
    c = b
    b = a
    a = (added + majority) | 0
  }
  const sums = [a, b, c, d, e, f, g, h]
  for (let index = 0; index < 8; index++) hash[index] = word(hash, index) + (sums[index] ?? 0)
}
