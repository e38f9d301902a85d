import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { relayDialect } from '../../load/bench/socket-dialects.ts'
import { providerDialect } from '../../load/bench/sse-dialect.ts'
import { type Dialect, nowMs, runStreams } from '../../load/bench/streams.ts'
import { startModelServer } from '../../load/model-server/server.ts'
import { portOf } from '../support/port-of.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const streams = { streamCount: 3, tokensEach: 4, deadlineMs: 10_000 }
const clockToken = () => `${nowMs().toFixed(3)} `

/** A relay that answers a question as `answer` does. */
async function startRelay(answer: (socket: WebSocket) => void): Promise<Dialect> {
  const server = createServer().listen(0, '127.0.0.1')
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => socket.once('message', () => answer(socket)))
  await once(server, 'listening')
  closing.push(() => server.close())
  return relayDialect(`ws://127.0.0.1:${portOf(server)}`)
}

/** A provider that answers a request as `answer` does, and the connections that it got. */
async function startProvider(answer: (response: ServerResponse) => void) {
  const server = createServer((_request, response) => answer(response)).listen(0, '127.0.0.1')
  const connections: Socket[] = []
  server.on('connection', (connection) => connections.push(connection))
  await once(server, 'listening')
  closing.push(() => server.close())
  return { dialect: providerDialect(`http://127.0.0.1:${portOf(server)}/v1`), connections }
}

function delta(socket: WebSocket, text: string): void {
  socket.send(JSON.stringify({ type: 'delta', text }))
}

const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`

describe('what is counted', () => {
  test('[BENCH-1] over WebSocket: tokens, frames, and bytes with their framing', async () => {
    const dialect = await startRelay((socket) => {
      for (let n = 0; n < 4; n++) delta(socket, clockToken())
      socket.send('{"type":"done"}')
    })
    const round = await runStreams(dialect, streams)
    // A frame of less than 126 bytes has a header of two.
    const [deltaBytes, doneBytes] = [
      2 + '{"type":"delta","text":"0000000000000.000 "}'.length,
      2 + '{"type":"done"}'.length,
    ]
    expect(round).toMatchObject({ tokenCount: 12, frameCount: 15, byteCount: 3 * (4 * deltaBytes + doneBytes) })
  })

  test('[BENCH-1] over server-sent events: tokens, events, and all that the connections brought', async () => {
    const { dialect, connections } = await startProvider((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      for (let n = 0; n < 4; n++) response.write(chunk(clockToken()))
      response.end('data: [DONE]\n\n')
    })
    const round = await runStreams(dialect, streams)
    const sentBytes = connections.reduce((bytes, connection) => bytes + connection.bytesWritten, 0)
    expect(connections).toHaveLength(3)
    expect(round).toMatchObject({ tokenCount: 12, frameCount: 15, byteCount: sentBytes })
  })

  test('[BENCH-1] of the model server: its role, its tokens, its end and its marker', async () => {
    const provider = await startModelServer({ answer: 'clock', tokenCount: 4 })
    closing.push(() => provider.close())
    const round = await runStreams(providerDialect(provider.url), streams)
    expect(round).toMatchObject({ tokenCount: 12, frameCount: 3 * (1 + 4 + 1 + 1) })
  })
})

/** Tells text in pieces, each received at a time that the test chose. */
function scripted(tell: (askedMs: number) => readonly (readonly [text: string, atMs: number])[]): Dialect {
  return {
    async open() {
      return {
        receivedBytes: () => 0,
        async answer(_question, heard) {
          for (const [text, atMs] of tell(nowMs())) heard.text(text, atMs)
        },
        close: () => undefined,
      }
    },
  }
}

describe('what is timed', () => {
  const sentMs = 1_700_000_000_000.5

  test.each([
    [
      'one by one',
      [
        ['1700000000000.500 ', sentMs + 2],
        ['1700000000000.500 ', sentMs + 2],
      ],
    ],
    [
      'in pieces',
      [
        ['17000000', sentMs + 1],
        ['00000.500 1700000000000.5', sentMs + 2],
        ['00 ', sentMs + 2],
      ],
    ],
    ['at once', [['1700000000000.500 1700000000000.500 ', sentMs + 2]]],
  ] as const)('[BENCH-2] tokens %s: from the write to the read of their last character', async (_how, pieces) => {
    const round = await runStreams(
      scripted(() => pieces),
      { ...streams, tokensEach: 2 },
    )
    expect(round.tokenCount).toBe(6)
    expect(round.p50Ms).toBeCloseTo(2, 1)
    expect(round.p99Ms).toBeCloseTo(2, 1)
  })

  test('[BENCH-2] the first token: from the question to the first text', async () => {
    const dialect = scripted((askedMs) => [
      [`${askedMs.toFixed(3)}`, askedMs + 1_000_000],
      [' ', askedMs + 2_000_000],
    ])
    const { firstP50Ms, firstP99Ms } = await runStreams(dialect, { ...streams, tokensEach: 1 })
    // What passes between the two readings of the clock is far below a second.
    for (const ms of [firstP50Ms, firstP99Ms]) expect(Math.round(ms / 1_000)).toBe(1_000)
  })
})

describe('what has no figures', () => {
  test('[BENCH-3] an answer that lacks tokens', async () => {
    const dialect = await startRelay((socket) => {
      delta(socket, clockToken())
      socket.send('{"type":"done"}')
    })
    await expect(runStreams(dialect, streams)).rejects.toThrow('3 tokens came, not 12')
  })

  test('[BENCH-3] a socket that closes in mid-answer', async () => {
    const dialect = await startRelay((socket) => {
      delta(socket, clockToken())
      socket.close()
    })
    await expect(runStreams(dialect, streams)).rejects.toThrow('closed before the answer ended')
  })

  test('[BENCH-3] a refusal', async () => {
    const { dialect } = await startProvider((response) => response.writeHead(500).end('{"status":"failure"}'))
    await expect(runStreams(dialect, streams)).rejects.toThrow('the server answered 500')
  })

  test('[BENCH-3] a response without its marker', async () => {
    const { dialect } = await startProvider((response) => response.writeHead(200).end(chunk(clockToken())))
    await expect(runStreams(dialect, streams)).rejects.toThrow('ended before the answer did')
  })

  test('[BENCH-3] a stream that does not end in time', async () => {
    const dialect = await startRelay((socket) => delta(socket, clockToken()))
    await expect(runStreams(dialect, { ...streams, deadlineMs: 50 })).rejects.toThrow('did not end within 50 ms')
  })
})
