/**
 * The wire's version, and the WebSocket subprotocol that a client offers (RFC 6455, section 1.9). A change of the wire is a diff of `docs/schema/` and needs a line here.
 *
 * | version   | since | what changed |
 * |-----------|-------|--------------|
 * | sluice.v1 | 0.1.0 | first: sessions, turns as tapes, positions, records with a chained `mark` |
 * |           | 0.2.0 | `record.skipped` in place of a record that the gateway is too old to read |
 * |           | 0.3.0 | `prompt` in `turn.started`, `turn.restarted` and `feedback.added`: which prompt an answer came from |
 * |           | 0.3.0 | `cache` in `message.send`: an earlier answer to the very same conversation may be given again |
 * |           | 0.4.0 | `source: "bound"` in a turn's `usage`: at most, since the provider did not say |
 * |           | 0.4.0 | `project` in `message.added`: whose project pays for the answer |
 */
export const protocolVersion = 'sluice.v1'

/** Where the socket is on every gateway. */
export const socketPath = '/v1/socket'
