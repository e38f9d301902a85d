'use strict'

// One file out of a zip archive. Not every machine has `unzip`, and no package is installed yet that could read one; the
// format needs a walk over its directory and Node's own inflate. Zip64 and encryption are not known here and said so.

const fs = require('node:fs')
const zlib = require('node:zlib')
const { Failure } = require('./project.cjs')

const DIRECTORY_END = 0x06054b50
const DIRECTORY_ENTRY = 0x02014b50
const DIRECTORY_END_BYTES = 22
const DIRECTORY_ENTRY_BYTES = 46
const LOCAL_HEADER_BYTES = 30
/** The directory's end is followed by a comment of at most this length. */
const COMMENT_MAX_BYTES = 0xffff
const IS_ENCRYPTED = 1
const STORED = 0
const DEFLATED = 8

/** Where the archive's directory ends, searched from the back, because a comment of unknown length may follow. */
function findDirectoryEnd(bytes) {
  const first = Math.max(0, bytes.length - DIRECTORY_END_BYTES - COMMENT_MAX_BYTES)
  for (let at = bytes.length - DIRECTORY_END_BYTES; at >= first; at -= 1) {
    if (bytes.readUInt32LE(at) === DIRECTORY_END) return at
  }
  return undefined
}

function findEntry(bytes, name) {
  const end = findDirectoryEnd(bytes)
  if (end === undefined) return undefined
  let at = bytes.readUInt32LE(end + 16)
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left -= 1) {
    if (bytes.readUInt32LE(at) !== DIRECTORY_ENTRY) return undefined
    const nameBytes = bytes.readUInt16LE(at + 28)
    const nameAt = at + DIRECTORY_ENTRY_BYTES
    if (bytes.toString('utf8', nameAt, nameAt + nameBytes) === name) return at
    at = nameAt + nameBytes + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
  }
  return undefined
}

/** The content of the entry `name`. Throws a Failure when it is not there or not readable. */
function readZipEntry(file, name) {
  const bytes = fs.readFileSync(file)
  const at = findEntry(bytes, name)
  if (at === undefined) throw new Failure(`unable to find ${name} in ${file}: not a zip archive, or without that entry`)
  const method = bytes.readUInt16LE(at + 10)
  const packedBytes = bytes.readUInt32LE(at + 20)
  const unpackedBytes = bytes.readUInt32LE(at + 24)
  const headerAt = bytes.readUInt32LE(at + 42)
  const isEncrypted = (bytes.readUInt16LE(at + 8) & IS_ENCRYPTED) !== 0
  if (isEncrypted || (method !== STORED && method !== DEFLATED)) {
    throw new Failure(`unable to unpack ${name} from ${file}: it is encrypted, or packed by method ${method}`)
  }
  // The local header repeats the name and has an extra field of its own length; the content begins behind both.
  const dataAt = headerAt + LOCAL_HEADER_BYTES + bytes.readUInt16LE(headerAt + 26) + bytes.readUInt16LE(headerAt + 28)
  const packed = bytes.subarray(dataAt, dataAt + packedBytes)
  const content = method === STORED ? packed : zlib.inflateRawSync(packed, { maxOutputLength: unpackedBytes })
  if (content.length !== unpackedBytes) throw new Failure(`unable to unpack ${name} from ${file}: it is cut short`)
  return content
}

module.exports = { readZipEntry }
