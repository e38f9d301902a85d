import { createHash } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { type Answer, createClient, type SessionView, type SluiceClient } from '../../client/index.ts'
import { answerFor } from '../../load/model-server/answer.ts'
import { hasNginx } from '../support/balancer.ts'
import { type Drops, dropping } from '../support/dropping-socket.ts'
import { WireClient } from '../support/wire.ts'
import { type BehindNginx, startBehindNginx } from './two-behind-nginx.ts'

/**
 * Gateway processes over one Redis behind the nginx of deploy/nginx.conf, and clients that know nothing but its address:
 * the SDK, with the class of `ws`. In CI a missing nginx fails before any test.
 */

const open: AsyncDisposable[] = []

afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each[Symbol.asyncDispose]()
})

async function stage(env: Readonly<Record<string, string>> = {}): Promise<BehindNginx> {
  const nodes = await startBehindNginx(env)
  open.push(nodes)
  return nodes
}

interface Device {
  readonly client: SluiceClient
  readonly drops: Drops
  /** What a user could have seen that is no progress. */
  readonly troubles: string[]
}

function deviceAt({ url, token }: BehindNginx, subject = 'ada'): Device {
  const drops = dropping()
  const getToken = () => token(subject)
  const client = createClient({ url, getToken, WebSocket: drops.WebSocket })
  const troubles: string[] = []
  client.subscribe((state) => {
    if (state.kind === 'stopped' && state.code !== 1000) troubles.push(`stopped ${state.code} ${state.reason}`)
  })
  client.connect()
  open.push({ [Symbol.asyncDispose]: async () => client.close() })
  return { client, drops, troubles }
}

/** Resolves with the first view, from now on, of which this is true. */
function viewWhere(
  session: ReturnType<SluiceClient['session']>,
  isIt: (view: SessionView) => boolean,
): Promise<SessionView> {
  if (isIt(session.view)) return Promise.resolve(session.view)
  return new Promise((resolve) => {
    const stop = session.subscribe((view) => {
      if (!isIt(view)) return
      stop()
      resolve(view)
    })
  })
}

const shownText = (view: SessionView) => view.turns.at(-1)?.text ?? ''

function expectedText(content: string): string {
  return answerFor({ model: 'sluice-demo', messages: [{ role: 'user', content }] }).text
}

/** The text in the order in which it was yielded; throws when any of it was taken back. */
async function textOf(answer: Answer): Promise<string> {
  let text = ''
  for await (const piece of answer) text += piece
  return text
}

/** The record of the last turn's end, as anybody may read it. */
async function endOf(nodes: BehindNginx, session: string) {
  const socket = await WireClient.connect(nodes.socketUrl, await nodes.token('ada'))
  const page = await socket.ask({ type: 'history.get', session }, 'history.page')
  socket.close()
  const end = page.records.find(({ type }) => type === 'turn.completed' || type === 'turn.cancelled')
  if (end?.type !== 'turn.completed' && end?.type !== 'turn.cancelled') throw new Error(JSON.stringify(page.records))
  return end
}

function proofOf(text: string): { readonly bytes: number; readonly sha256: string } {
  return { bytes: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') }
}

describe.runIf(hasNginx)('two gateway processes behind nginx', { timeout: 60_000 }, () => {
  test('[NODES-20] an answer whose asker lost its socket is resumed through the other node in mid-stream, and watched from there', async () => {
    const nodes = await stage()
    const asking = deviceAt(nodes)
    const producing = await nodes.nodeWhere(({ sockets }) => sockets === 1)
    const other = await nodes.nodeWhere(({ sockets }) => sockets === 0)
    // The node that is going to produce is the fuller one, so that the next sockets go to the other.
    await nodes.crowd(producing, other)
    const chat = asking.client.newSession()
    const question = 'Tell me.\n[[answer=demo tokens=600 tps=150]]'
    const answer = chat.send(question)
    const text = textOf(answer)
    await viewWhere(chat, (view) => shownText(view).length > 100)
    expect(await producing.state()).toMatchObject({ sockets: 3, runningTurns: 1 })
    const watched = deviceAt(nodes).client.session(chat.id ?? '')
    await viewWhere(watched, (view) => shownText(view).length > 100)
    expect((await other.state()).sockets).toBe(1)

    expect(asking.drops.kill()).toBe(true)
    await viewWhere(chat, ({ state }) => state === 'away')
    const atReturn = await viewWhere(chat, ({ state }) => state === 'live')
    expect((await other.state()).sockets).toBe(2)
    expect(atReturn.turns.at(-1)?.state).toBe('streaming')

    const expected = expectedText(question)
    expect(await text).toBe(expected)
    expect((await answer.result).kind).toBe('completed')
    const seen = await viewWhere(watched, (view) => view.turns.at(-1)?.state === 'completed')
    expect(shownText(seen)).toBe(expected)
    expect(await endOf(nodes, chat.id ?? '')).toMatchObject(proofOf(expected))
    expect(asking.client.stats).toMatchObject({ reconnects: 1, reopens: 0, resets: 0, repairs: 0, resends: 0 })
    expect(asking.troubles).toEqual([])
  })

  test('[NODES-21] another client, on the other node, cancels an answer: the provider’s connection closes and both have the same text', async () => {
    const nodes = await stage()
    const asking = deviceAt(nodes)
    const chat = asking.client.newSession()
    const answer = chat.send('Go on.\n[[tokens=100000 tps=100]]')
    const text = textOf(answer)
    await viewWhere(chat, (view) => shownText(view).length > 100)
    const other = await nodes.nodeWhere(({ sockets }) => sockets === 0)
    const elsewhere = deviceAt(nodes).client.session(chat.id ?? '')
    await viewWhere(elsewhere, (view) => shownText(view).length > 100)
    expect(await other.state()).toMatchObject({ sockets: 1, runningTurns: 0 })

    elsewhere.cancel()
    expect((await answer.result).kind).toBe('cancelled')
    const seen = await viewWhere(elsewhere, (view) => view.turns.at(-1)?.state === 'cancelled')
    await nodes.model.waitFor(({ status }) => status === 'closed-by-client')
    const partial = await text
    expect(shownText(seen)).toBe(partial)
    expect(await endOf(nodes, chat.id ?? '')).toMatchObject({ type: 'turn.cancelled', ...proofOf(partial) })
  })

  test('[NODES-22] the producing node is killed: the client comes back by itself and has the whole text, and never an error', async () => {
    const nodes = await stage({ SLUICE_TAKE_OVER: 'continue', SLUICE_LEASE_MS: '1500' })
    const asking = deviceAt(nodes)
    const chat = asking.client.newSession()
    chat.subscribe(({ state, error, turns }) => {
      const last = turns.at(-1)
      if (error !== undefined || last?.error !== undefined) asking.troubles.push(JSON.stringify(error ?? last?.error))
      if (state === 'lost' || state === 'deleted' || state === 'refused') asking.troubles.push(state)
    })
    const question = 'Tell me.\n[[answer=demo tokens=400 tps=200]]'
    const answer = chat.send(question)
    const text = textOf(answer)
    await viewWhere(chat, (view) => shownText(view).length > 400)
    const producing = await nodes.nodeWhere(({ runningTurns }) => runningTurns === 1)
    await producing.process.kill()

    const expected = expectedText(question)
    expect(await text).toBe(expected)
    expect((await answer.result).kind).toBe('completed')
    expect(await endOf(nodes, chat.id ?? '')).toMatchObject({ attempt: 2, ...proofOf(expected) })
    expect(asking.client.stats).toMatchObject({ resets: 0, repairs: 0 })
    expect(asking.troubles).toEqual([])
  })

  test('[NODES-23] one node after the other is replaced while clients ask and read: nothing is lost, nothing comes twice', async () => {
    const nodes = await stage({ SLUICE_TAKE_OVER: 'continue', SLUICE_DRAIN_MS: '1000' })
    let isReplaced = false
    const devices = ['ada', 'bob', 'eve'].map((subject) => {
      const device = deviceAt(nodes, subject)
      return { ...device, subject, chat: device.client.newSession() }
    })
    const asking = devices.map(async ({ chat, subject }) => {
      const contents: string[] = []
      while (!isReplaced) {
        const content = `${contents.length}: what is a tape, asks ${subject}?\n[[answer=demo tokens=300 tps=100]]`
        contents.push(content)
        const answer = chat.send(content)
        expect(await textOf(answer)).toBe(expectedText(content))
        expect((await answer.result).kind).toBe('completed')
      }
      return { session: chat.id ?? '', contents }
    })
    await Promise.all(devices.map(({ chat }) => viewWhere(chat, (view) => shownText(view) !== '')))
    for (const n of [0, 1] as const) await nodes.replace(n)
    isReplaced = true

    const asked = await Promise.all(asking)
    for (const [n, { session, contents }] of asked.entries()) {
      const device = devices[n]
      if (device === undefined) throw new Error('no device')
      // Read anew, by somebody who saw nothing of it.
      const fresh = deviceAt(nodes, device.subject).client.session(session)
      const { turns } = await viewWhere(fresh, ({ state }) => state === 'live')
      expect(turns.map(({ content, text, state }) => ({ content, text, state }))).toEqual(
        contents.map((content) => ({ content, text: expectedText(content), state: 'completed' })),
      )
      expect(device.drops.heardCount('going.away')).toBeGreaterThan(0)
      expect(device.client.stats.reconnects).toBeGreaterThan(0)
      expect(device.client.stats).toMatchObject({ resets: 0, repairs: 0 })
      expect(device.troubles).toEqual([])
    }
  })
})
