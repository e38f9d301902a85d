import type { Dialect } from '../bench/streams.ts'

/** Streams of the Socket.IO peer at `url`. */
export function socketIoDialect(url: string): Dialect
