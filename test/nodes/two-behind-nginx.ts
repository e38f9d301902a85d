import { expect } from 'vitest'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import { type Balancer, startBalancer } from '../support/balancer.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway-process.ts'
import { startRedisServer } from '../support/redis-server.ts'
import { WireClient } from '../support/wire.ts'

/** What `GET /v1/admin/node` says. */
export interface NodeState {
  readonly sockets: number
  readonly runningTurns: number
}

export interface Node {
  readonly process: GatewayProcess
  /** Asked of the node itself, past nginx. */
  state(): Promise<NodeState>
}

/** A balancer in front of the nodes. */
export interface Front {
  readonly scheme: 'http' | 'https'
  start(nodePorts: readonly number[]): Promise<Balancer>
}

const nginx: Front = { scheme: 'http', start: startBalancer }

/** Two gateway processes over one real Redis, behind one real balancer that knows nothing of sessions. */
export interface BehindNginx extends AsyncDisposable {
  readonly model: ModelServer
  /** http://127.0.0.1:PORT of the balancer. */
  readonly url: string
  readonly socketUrl: string
  token(subject: string): Promise<string>
  /** The first one of which this is true; waits until it is of one. */
  nodeWhere(isIt: (state: NodeState) => boolean): Promise<Node>
  /** Two more sockets for `full`, none for `other`: nginx gives the next one to `other`. */
  crowd(full: Node, other: Node): Promise<void>
  /** Ends a node as an update does, then starts one on its port. Resolves when that one is ready. */
  replace(n: 0 | 1): Promise<void>
}

export async function startBehindNginx(
  env: Readonly<Record<string, string>>,
  front: Front = nginx,
): Promise<BehindNginx> {
  await using stack = new AsyncDisposableStack()
  const redis = stack.use(await startRedisServer())
  const model = stack.use(await startModelServer())
  const variables = { REDIS_URL: redis.url, OPENAI_BASE_URL: model.url, SLUICE_MODEL: 'sluice-demo', ...env }
  const nodes = await Promise.all([startNode(variables), startNode(variables)])
  stack.defer(async () => {
    for (const { process } of nodes) await process.kill()
  })
  const balancer = stack.use(await front.start(nodes.map(({ process }) => process.port)))
  const url = `${front.scheme}://127.0.0.1:${balancer.port}`
  const socketUrl = `${url.replace('http', 'ws')}/v1/socket`
  const parts = stack.move()
  return {
    model,
    url,
    socketUrl,
    token: (subject) => tokenOfAny(nodes, `subject=${subject}`),
    nodeWhere: (isIt) => firstNode(nodes, isIt),
    crowd: (full, other) => crowd(socketUrl, full, other),
    async replace(n) {
      const { port, kill } = nodes[n].process
      await kill('SIGTERM')
      nodes[n] = await startNode({ ...variables, PORT: String(port) })
      await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).status, patience).toBe(200)
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

const patience = { timeout: 20_000, interval: 20 }

async function startNode(variables: Readonly<Record<string, string>>): Promise<Node> {
  const process = await startGatewayProcess(variables)
  const operator = await tokenAt(process.httpUrl, 'subject=operator&scope=admin')
  return {
    process,
    async state() {
      const headers = { authorization: `Bearer ${operator}` }
      const answer = await fetch(`${process.httpUrl}/v1/admin/node`, { headers })
      if (!answer.ok) throw new Error(`unable to ask the node: ${answer.status}`)
      return (await answer.json()) as NodeState
    },
  }
}

/** Asked of the nodes themselves: they give none through a proxy. Any node's token counts on all of them. */
async function tokenOfAny(nodes: readonly Node[], query: string): Promise<string> {
  return Promise.any(nodes.map(({ process }) => tokenAt(process.httpUrl, query)))
}

async function tokenAt(httpUrl: string, query: string): Promise<string> {
  const answer = await fetch(`${httpUrl}/dev/token?${query}`)
  const { token } = (await answer.json()) as { token: string }
  return token
}

async function firstNode(nodes: readonly Node[], isIt: (state: NodeState) => boolean): Promise<Node> {
  let found: Node | undefined
  const look = async () => {
    for (const node of nodes) if (found === undefined && isIt(await node.state())) found = node
    return found !== undefined
  }
  await expect.poll(look, patience).toBe(true)
  if (found === undefined) throw new Error('no such node')
  return found
}

/** nginx gives each socket to the node with the fewest, so both get some; those of `other` are cut. */
async function crowd(socketUrl: string, full: Node, other: Node): Promise<void> {
  const before = { full: (await full.state()).sockets, other: (await other.state()).sockets }
  const token = await tokenOfAny([full, other], 'subject=crowd')
  const ofOther: WireClient[] = []
  for (let count = 0; count < 4; count += 1) {
    const had = (await other.state()).sockets
    const client = await WireClient.connect(socketUrl, token)
    if ((await other.state()).sockets > had) ofOther.push(client)
  }
  for (const client of ofOther) client.socket.terminate()
  await expect.poll(async () => (await other.state()).sockets, patience).toBe(before.other)
  expect((await full.state()).sockets).toBe(before.full + 2)
}
