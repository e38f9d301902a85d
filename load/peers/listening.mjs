/** Tells whoever started this process where it listens. */
export function sayListening(url) {
  process.stdout.write(`${JSON.stringify({ listening: url })}\n`)
}

/** The port of a server that listens on one. */
export function portOf(server) {
  return server.address().port
}
