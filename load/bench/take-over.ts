import { WebSocket } from 'ws'
import { startModelServer } from '../model-server/server.ts'
import { spread } from './figures.ts'
import { openedSession } from './socket-dialects.ts'
import { startTwoNodes } from './two-nodes.ts'

/**
 * `npm run bench -- take-over`: a producing node is killed (`kill -9`) in mid-answer; how long a watcher on the other node
 * waits for the next attempt and for its first token. Lease and policy are the gateway's defaults, unless SLUICE_LEASE_MS
 * or SLUICE_TAKE_OVER say otherwise. What the killed node had already published does not count.
 */
export interface TakeOverOptions {
  readonly times: number
  readonly transport: 'ws' | 'uws'
  say(line: string): void
}

interface Wait {
  readonly restartedMs: number
  readonly tokenMs: number
}

/** Longer than any lease that makes sense here, in milliseconds. */
const waitMaxMs = 60_000

export async function benchTakeOver(options: TakeOverOptions): Promise<string> {
  const waits: Wait[] = []
  for (let n = 1; n <= options.times; n++) {
    const wait = await killOnce(options.transport)
    options.say(
      `kill ${n}: next attempt after ${wait.restartedMs.toFixed(0)} ms, its first token after ${wait.tokenMs.toFixed(0)} ms`,
    )
    waits.push(wait)
  }
  const restarted = waits.map(({ restartedMs }) => restartedMs)
  const token = waits.map(({ tokenMs }) => tokenMs)
  return `kill to the next attempt ${spread(restarted, 0)} ms, to the next token ${spread(token, 0)} ms of ${options.times}`
}

/** Nodes and store are new each time: the dead node is gone. */
async function killOnce(transport: 'ws' | 'uws'): Promise<Wait> {
  const provider = await startModelServer({ ttftMs: 20, tokensPerSecond: 50, tokenCount: 10_000, keptRequestCount: 0 })
  const nodes = await startTwoNodes(provider.url, { SLUICE_TRANSPORT: transport })
  const token = await nodes.one.token('ada')
  const asking = await welcomed(nodes.one.socketUrl, token)
  const watching = await welcomed(nodes.other.socketUrl, token)
  try {
    asking.send(JSON.stringify({ type: 'session.open', id: 'o' }))
    const session = await openedSession(asking)
    watching.send(JSON.stringify({ type: 'session.open', id: 'o', session }))
    await openedSession(watching)
    const inMidAnswer = cameTo(watching, (frame) => frame.type === 'turn.delta' && frame.end > 1_000)
    asking.send(JSON.stringify({ type: 'message.send', id: 'm', session, messageId: 'm1', content: 'go on' }))
    await inMidAnswer
    const restarted = cameTo(watching, (frame) => frame.type === 'turn.restarted')
    const next = cameTo(watching, (frame) => frame.type === 'turn.delta' && frame.attempt > 1)
    const killedMs = performance.now()
    await nodes.one.stop()
    return { restartedMs: (await restarted) - killedMs, tokenMs: (await next) - killedMs }
  } finally {
    asking.terminate()
    watching.terminate()
    await nodes.stop()
    await provider.close()
  }
}

async function welcomed(url: string, token: string): Promise<WebSocket> {
  const socket = new WebSocket(url, 'sluice.v1', { perMessageDeflate: false })
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => undefined)
  socket.send(JSON.stringify({ type: 'hello', token }))
  return socket
}

/** When the first such frame came. */
function cameTo(
  socket: WebSocket,
  isIt: (frame: { readonly type: string; readonly attempt: number; readonly end: number }) => boolean,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`what was waited for did not come within ${waitMaxMs} ms`)),
      waitMaxMs,
    )
    socket.on('message', function came(data) {
      const nowMs = performance.now()
      const frame = JSON.parse(String(data))
      if (frame.type === 'turn.failed') reject(new Error(String(data)))
      if (!isIt(frame)) return
      clearTimeout(late)
      socket.off('message', came)
      resolve(nowMs)
    })
  })
}
