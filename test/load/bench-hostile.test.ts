import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { heldConnections, heldFrom } from '../../load/bench/hostile/connections.ts'
import { chosenLines } from '../../load/bench/hostile/hostile.ts'
import { type Attacker, lineSecondsMax } from '../../load/bench/hostile/line.ts'
import { lines } from '../../load/bench/hostile/lines.ts'
import type { LineFigures } from '../../load/bench/hostile/measure.ts'
import type { HonestRound } from '../../load/bench/hostile/mixed.ts'
import { linesReport, mixedReport } from '../../load/bench/hostile/report.ts'
import { shapeBytes, shapeNames, shapes } from '../../load/bench/hostile/shapes.ts'
import { Stage } from '../../load/bench/hostile/stage.ts'
import { masked } from '../../load/bench/raw-socket.ts'
import { portOf } from '../support/port-of.ts'

const closing: (() => unknown)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A server that takes connections and does with each what `serve` does; by default it reads nothing. */
async function startServer(serve: (socket: Socket) => unknown = (socket) => socket.pause()): Promise<Server> {
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined)
    closing.push(() => socket.destroy())
    serve(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => server.close())
  return server
}

function stageOf(server: Server, share = 1): Stage {
  const url = `http://127.0.0.1:${portOf(server)}`
  const stage = new Stage({ url, address: '127.0.1.9', token: 'a.b.c', pagePath: '/', share })
  closing.push(() => stage.end())
  return stage
}

describe('the table of attacks', () => {
  test.each(Object.entries(lines))('[BENCH-240] %s has a bound in time and connections', (_, line) => {
    expect(line.seconds).toBeGreaterThan(0)
    expect(line.seconds).toBeLessThanOrEqual(lineSecondsMax)
    expect(line.connectionCount).toBeGreaterThanOrEqual(1)
    expect(line.connectionCount).toBeLessThanOrEqual(2_000)
    expect(line.sends).not.toBe('')
  })

  test('[BENCH-240] strangers, greeted sockets and subjects are all among the attackers', () => {
    const attackers = new Set(Object.values(lines).map(({ who }) => who))
    expect(attackers).toEqual(new Set<Attacker>(['stranger', 'greeted', 'subject']))
  })

  test('[BENCH-240] lines are chosen by name or by its beginning, in the order of the table', () => {
    expect(chosenLines(['mixed', 'unread-pongs*', 'blank-lines'])).toEqual([
      'blank-lines',
      'unread-pongs-stranger',
      'unread-pongs',
      'mixed',
    ])
    expect(chosenLines([])).toEqual([...Object.keys(lines), 'mixed'])
    expect(() => chosenLines(['nothing'])).toThrow("--only 'nothing' must be one of pipelined-page-71k")
  })

  test.each(shapeNames)(
    '[BENCH-241] the shape %s fills a frame of 1 MiB, does not exceed it, and is one JSON object',
    (name) => {
      const text = shapes[name]()
      const frame = masked(0x81, Buffer.from(text))
      expect(frame.length).toBeLessThanOrEqual(shapeBytes + 64)
      expect(frame.length).toBeGreaterThan(0.9 * shapeBytes)
      const typeOf = () => JSON.parse(text).type
      if (name === 'cut-off') expect(typeOf).toThrow(SyntaxError)
      else expect(typeOf()).toMatch(/^(ping|session\.open|session\.update)$/)
    },
  )

  test('[BENCH-241] a frame above 64 KiB says its length in eight bytes', () => {
    const frame = masked(0x81, Buffer.alloc(70_000, 0x61))
    expect([...frame.subarray(0, 14)]).toEqual([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0x11, 0x70, 0, 0, 0, 0])
    expect(frame.length).toBe(14 + 70_000)
  })
})

describe('an attack', () => {
  test('[BENCH-242] ends at its bound, also when nobody takes what it sends', async () => {
    const stage = stageOf(await startServer())
    const socket = stage.connect()
    stage.begin(200)
    while (await stage.send(socket, Buffer.alloc(1_000_000)));
    expect(stage.isOver).toBe(true)
    const { sentBytes } = stage.tally()
    // The kernel took some, and the rest is not counted.
    expect(sentBytes).toBeGreaterThan(0)
    expect(sentBytes).toBe(socket.bytesWritten - socket.writableLength)
    await stage.pause(1_000_000)
  })

  test('[BENCH-242] counts from its beginning on, with connections that have ended', async () => {
    const received: number[] = []
    const server = await startServer((socket) => socket.resume().on('end', () => received.push(socket.bytesRead)))
    const stage = stageOf(server)
    const before = stage.connect()
    await stage.send(before, 'prepared')
    stage.begin(60_000)
    await stage.send(before, 'sent')
    stage.drop(before)
    await once(before, 'close')
    await stage.send(stage.connect(), 'more')
    expect(stage.tally()).toEqual({ sentBytes: 8, openedCount: 2, droppedCount: 1, requestCount: 0 })
  })

  test('[BENCH-242] a part of its connections is at least one', async () => {
    const stage = stageOf(await startServer(), 1 / 25)
    expect([stage.part(1), stage.part(40), stage.part(500)]).toEqual([1, 2, 20])
  })
})

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0101007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 20 4 30 10 -1
   2: 0100007F:1F90 0101007F:C002 04 00000010:00000000 01:00000014 00000000     0        0 0 2 0 20 4 30 10 -1
   3: 0101007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 113 1 0 20 4 30 10 -1
   4: 0100007F:1F91 0101007F:C003 01 00000000:00000000 00:00000000 00000000     0        0 114 1 0 20 4 30 10 -1
   5: 0100007F:1F90 0102007F:C004 08 00000000:00000000 00:00000000 00000000     0        0 115 1 0 20 4 30 10 -1`

describe('connections that a gateway holds', () => {
  test("[BENCH-243] are those of its port that have a descriptor: no listener, none that it closed, no client's end", () => {
    expect(heldConnections(table, 8_080)).toEqual(['0101007F:C001', '0102007F:C004'])
  })

  test('[BENCH-243] are told apart by the address of the other end, and gone once they are closed', async () => {
    const accepted = Promise.withResolvers<Socket>()
    const server = await startServer((socket) => accepted.resolve(socket))
    const stage = stageOf(server)
    stage.connect()
    const socket = await accepted.promise
    const port = portOf(server)
    expect(await heldFrom(port, '127.0.1.')).toHaveProperty('size', 1)
    expect(await heldFrom(port, '127.0.2.')).toHaveProperty('size', 0)
    socket.destroy()
    await once(socket, 'close')
    expect(await heldFrom(port, '127.0.1.')).toHaveProperty('size', 0)
  })
})

const figures: LineFigures = {
  sentBytes: 71_000,
  openedCount: 4,
  requestCount: 0,
  droppedCount: 0,
  pingP50Ms: 1,
  pingMaxMs: 9_100,
  healthMaxMs: 9_000,
  lostCount: 0,
  peakBytes: 300 * 1024 ** 2,
  heldBytes: 200 * 1024 ** 2,
  cpuMs: 710,
  heldCount: 4,
  longestMs: 0,
  calmPingMaxMs: 2,
  attackerCpuMs: 10,
  othersShare: 0,
}

describe('the report of an attack', () => {
  const [line] = Object.values(lines)
  const result = (before: readonly LineFigures[], after: readonly LineFigures[], problems: readonly string[] = []) => {
    if (line === undefined) throw new Error('there is no line')
    const measured = [
      { checkout: 'old', rounds: before, problems: [] },
      { checkout: '.', rounds: after, problems },
    ]
    return linesReport('ws', [{ name: 'first', line, measured }])
  }
  const cellsOf = (report: string) =>
    (report.split('\n').find((row) => row.startsWith('| first')) ?? '').split('|').map((cell) => cell.trim())

  test('[BENCH-244] has the medians of each checkout side by side, and costs for what was sent', () => {
    const after = { ...figures, peakBytes: 4 * 1024 ** 2, heldBytes: 0, cpuMs: 0, heldCount: 0 }
    const cells = cellsOf(result([figures, { ...figures, cpuMs: 1_420 }], [after]))
    expect(cells.slice(3, 9)).toEqual([
      '71 → 71',
      '300.0 → 4.0',
      '200.0 → 0.0',
      '51200 → 0',
      '1065 → 0',
      '15000.0 → 0.0',
    ])
    expect(cells[9]).toBe('– → –')
    expect(cells[10]).toBe('4 of 4 → 0 of 4')
  })

  test('[BENCH-244] has no figure where a round failed or a gateway did not come to rest, and says why', () => {
    const report = result([{ ...figures, heldBytes: undefined, lostCount: 3 }], [], ['the attacker ended'])
    const cells = cellsOf(report)
    expect(cells.slice(4, 7)).toEqual(['300.0 → –', '– → –', '– → –'])
    expect(report).toContain('- first, .: the attacker ended')
    expect(report).toContain('- first, old: the bystander lost 3 health checks or its socket')
  })

  test('[BENCH-245] a mixed attack is judged by the ratio of the honest p99 and by broken streams', () => {
    const round: HonestRound = {
      tokenP50Ms: 1,
      tokenP99Ms: 4,
      tokenMaxMs: 9,
      tokenCount: 100,
      brokenCount: 0,
      reasons: [],
      gatewayCpuMs: 1_000,
      attackerCpuMs: 0,
      attackSentBytes: 0,
      attackOpenedCount: 0,
      residentBytes: 1024 ** 2,
      othersShare: 0,
    }
    const attacked = [
      { ...round, tokenP99Ms: 10, attackerCpuMs: 500 },
      { ...round, tokenP99Ms: 14, brokenCount: 2 },
    ]
    const report = mixedReport([{ checkout: '.', transport: 'ws', seconds: 60, alone: [round, round], attacked }])
    expect(report).toContain('.: honest p99 3.00 times that alone over 60 s, 2 streams broken')
    expect(report).toContain('the attacker was starved')
    expect(report).toMatch(/\| \., attacked +\| 1.00 +\| 12.00 +\| 9 +\| 1 +\| 1.0 +\| 0.3 /)
  })
})
