import type { Metadata } from '../../protocol/shapes.ts'
import type { CreateRequest, Owner, SessionAttributes, SessionInfo } from '../session-log.ts'

/** Written into each session's meta. Another version is not guessed at. */
const infoVersion = 1

interface Stored {
  readonly v: number
  readonly owner: Owner
  readonly attributes: SessionAttributes
  readonly createdMs: number
}

export function writeInfo({ owner, attributes, timeMs }: CreateRequest): string {
  const { tenant, subject } = owner
  const stored: Stored = { v: infoVersion, owner: { tenant, subject }, attributes, createdMs: timeMs }
  return JSON.stringify(stored)
}

/** `undefined` for one of a later version: its owner is not known, so nobody may have it here. */
export function readInfo(info: string, metadata: string, unknown: () => void): SessionInfo | undefined {
  // Written by `writeInfo` alone, whose version tells its shape.
  const stored = JSON.parse(info) as Stored
  if (stored.v !== infoVersion) {
    unknown()
    return undefined
  }
  const { owner, attributes, createdMs } = stored
  const read = { ...attributes, owner, createdMs }
  return metadata === '' ? read : { ...read, metadata: readMetadata(metadata) }
}

export function writeMetadata(metadata: Metadata | undefined): string {
  return metadata === undefined ? '' : JSON.stringify(metadata)
}

function readMetadata(text: string): Metadata {
  // As above.
  return Object.freeze(JSON.parse(text)) as Metadata
}
