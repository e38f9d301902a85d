/**
 * Portkey's gateway as its package starts it, without its console (`--headless`). What it is asked names the provider in
 * headers (`load/bench/sse-dialect.ts`). `node load/peers/portkey.mjs`.
 *
 * 1.15.2 streams with `@hono/node-server` up to 1.14.1 alone, whence the override in package.json: with later ones every
 * streamed answer is a 500, "TypeError: immutable" (https://github.com/Portkey-AI/gateway/issues/1389).
 *
 * Its only setting is a port, and it listens on every interface: here on loopback, on a port that is free, which it tells
 * people alone.
 */
import { Server } from 'node:net'
import { portOf, sayListening } from './listening.mjs'

const { listen } = Server.prototype
Server.prototype.listen = function listenOnLoopback(port) {
  return listen.call(this, port, '127.0.0.1', () => sayListening(`http://127.0.0.1:${portOf(this)}`))
}

process.argv.push('--port=0', '--headless')
await import('@portkey-ai/gateway/build/start-server.js')
