/**
 * The configurations that docs/OPERATIONS.md prints, where the program cannot be run here: their structure, by schemas of the
 * parts that are used, written by hand after the programs' references, which refuse any other key. And of all of them, what a
 * socket and a silent answer need.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { describeConfig } from '../../gateway/config.ts'
import { keepAliveMs } from '../../gateway/transport/http-limits.ts'
import { documented, haproxyText, nginxText } from '../support/documented-balancers.ts'

const hourMs = 3_600_000
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: hourMs } as const

function msOf(duration: string | undefined): number {
  const [, number, unit = ''] = /^(\d+)(ms|s|m|h)$/.exec(duration ?? '') ?? []
  if (number === undefined || !(unit in unitMs)) throw new Error(`${duration} is no duration`)
  // Its key was just looked for.
  return Number(number) * unitMs[unit as keyof typeof unitMs]
}

const nodes = [
  ['10.0.0.11', 8080],
  ['10.0.0.12', 8080],
]
const seconds = z.string().regex(/^\d+s$/) // a duration of protobuf's JSON form
const fileName = z.strictObject({ filename: z.string().startsWith('/') })
const socketAddress = z.strictObject({
  socket_address: z.strictObject({ address: z.ipv4(), port_value: z.int().min(1).max(65_535) }),
})
const threshold = z.int().min(10_000)

function typed<Shape extends z.ZodRawShape>(type: string, shape: Shape) {
  return z.strictObject({ '@type': z.literal(`type.googleapis.com/envoy.extensions.${type}`), ...shape })
}

const downstreamTls = typed('transport_sockets.tls.v3.DownstreamTlsContext', {
  common_tls_context: z.strictObject({
    tls_certificates: z.array(z.strictObject({ certificate_chain: fileName, private_key: fileName })).length(1),
  }),
})

const route = z.union([
  z.strictObject({
    match: z.strictObject({ path: z.literal('/v1/admin/node') }),
    direct_response: z.strictObject({ status: z.literal(404) }),
  }),
  z.strictObject({
    match: z.strictObject({ prefix: z.literal('/') }),
    route: z.strictObject({
      cluster: z.literal('sluice'),
      timeout: seconds,
      retry_policy: z.strictObject({ retry_on: z.literal('connect-failure'), num_retries: z.int().min(1) }),
    }),
  }),
])

const connectionManager = typed('filters.network.http_connection_manager.v3.HttpConnectionManager', {
  stat_prefix: z.string(),
  use_remote_address: z.literal(true),
  stream_idle_timeout: seconds,
  request_headers_timeout: seconds,
  upgrade_configs: z.tuple([z.strictObject({ upgrade_type: z.literal('websocket') })]),
  route_config: z.strictObject({
    request_headers_to_remove: z.tuple([z.literal('traceparent')]),
    virtual_hosts: z.tuple([
      z.strictObject({ name: z.string(), domains: z.tuple([z.literal('*')]), routes: z.array(route).length(2) }),
    ]),
  }),
  http_filters: z.tuple([
    z.strictObject({
      name: z.literal('envoy.filters.http.router'),
      typed_config: typed('filters.http.router.v3.Router', {}),
    }),
  ]),
})

const envoyListener = z.strictObject({
  name: z.string(),
  address: socketAddress,
  filter_chains: z.tuple([
    z.strictObject({
      transport_socket: z.strictObject({ name: z.literal('envoy.transport_sockets.tls'), typed_config: downstreamTls }),
      filters: z.tuple([
        z.strictObject({
          name: z.literal('envoy.filters.network.http_connection_manager'),
          typed_config: connectionManager,
        }),
      ]),
    }),
  ]),
})

const envoyCluster = z.strictObject({
  name: z.literal('sluice'),
  type: z.literal('STATIC'),
  connect_timeout: seconds,
  lb_policy: z.literal('LEAST_REQUEST'),
  circuit_breakers: z.strictObject({
    thresholds: z.tuple([
      z.strictObject({ max_connections: threshold, max_requests: threshold, max_pending_requests: threshold }),
    ]),
  }),
  typed_extension_protocol_options: z.strictObject({
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed('upstreams.http.v3.HttpProtocolOptions', {
      common_http_protocol_options: z.strictObject({ idle_timeout: seconds }),
      explicit_http_config: z.strictObject({ http_protocol_options: z.strictObject({}) }),
    }),
  }),
  health_checks: z.tuple([
    z.strictObject({
      timeout: seconds,
      interval: seconds,
      unhealthy_threshold: z.int().min(1),
      healthy_threshold: z.int().min(1),
      http_health_check: z.strictObject({ path: z.literal('/readyz') }),
    }),
  ]),
  load_assignment: z.strictObject({
    cluster_name: z.literal('sluice'),
    endpoints: z.tuple([
      z.strictObject({
        lb_endpoints: z.array(z.strictObject({ endpoint: z.strictObject({ address: socketAddress }) })),
      }),
    ]),
  }),
})

const envoy = z.strictObject({
  static_resources: z.strictObject({ listeners: z.tuple([envoyListener]), clusters: z.tuple([envoyCluster]) }),
})

const duration = z.string().regex(/^\d+(?:ms|s|m|h)$/) // a duration of Go

const traefikStatic = z.strictObject({
  entryPoints: z.strictObject({
    chat: z.strictObject({
      address: z.string().regex(/^:\d+$/),
      transport: z.strictObject({
        respondingTimeouts: z.strictObject({ readTimeout: duration, writeTimeout: duration, idleTimeout: duration }),
      }),
    }),
  }),
  providers: z.strictObject({ file: fileName }),
})

const traefikDynamic = z.strictObject({
  http: z.strictObject({
    routers: z.strictObject({
      chat: z.strictObject({
        entryPoints: z.array(z.string()),
        rule: z.string(),
        middlewares: z.array(z.string()),
        service: z.string(),
        tls: z.strictObject({}),
      }),
    }),
    middlewares: z.strictObject({
      'no-traceparent': z.strictObject({
        headers: z.strictObject({ customRequestHeaders: z.strictObject({ traceparent: z.literal('') }) }),
      }),
      'another-node': z.strictObject({ retry: z.strictObject({ attempts: z.int().min(2) }) }),
    }),
    services: z.strictObject({
      sluice: z.strictObject({
        loadBalancer: z.strictObject({
          strategy: z.enum(['wrr', 'p2c']),
          passHostHeader: z.literal(true),
          serversTransport: z.string(),
          healthCheck: z.strictObject({ path: z.literal('/readyz'), interval: duration, timeout: duration }),
          servers: z.array(z.strictObject({ url: z.url() })),
        }),
      }),
    }),
    serversTransports: z.strictObject({
      sluice: z.strictObject({
        forwardingTimeouts: z.strictObject({
          dialTimeout: duration,
          responseHeaderTimeout: duration,
          idleConnTimeout: duration,
        }),
      }),
    }),
  }),
  tls: z.strictObject({ certificates: z.array(z.strictObject({ certFile: z.string(), keyFile: z.string() })) }),
})

describe('the printed Envoy configuration', () => {
  const { static_resources } = envoy.parse(parse(documented('yaml', 'static_resources')))
  const [cluster] = static_resources.clusters
  const [{ filters }] = static_resources.listeners[0].filter_chains
  const manager = filters[0].typed_config

  test('[DEPLOY-325] has the structure that Envoy reads, and sends everything to the nodes it asks', () => {
    const [{ lb_endpoints }] = cluster.load_assignment.endpoints
    const addresses = lb_endpoints.map(({ endpoint }) => Object.values(endpoint.address.socket_address))
    expect(addresses).toEqual(nodes)
    const [{ timeout, interval }] = cluster.health_checks
    expect(msOf(timeout)).toBeLessThanOrEqual(msOf(interval))
    // The first route that matches counts.
    const [first, last] = manager.route_config.virtual_hosts[0].routes
    expect([first && 'direct_response' in first, last && 'route' in last]).toEqual([true, true])
  })

  test('[DEPLOY-327] lets a socket last, and an answer be silent for an hour', () => {
    expect(msOf(manager.stream_idle_timeout)).toBeGreaterThanOrEqual(hourMs)
    const routes = manager.route_config.virtual_hosts[0].routes
    expect(routes.flatMap((each) => ('route' in each ? [each.route.timeout] : []))).toEqual(['0s'])
    const options = cluster.typed_extension_protocol_options['envoy.extensions.upstreams.http.v3.HttpProtocolOptions']
    expect(msOf(options.common_http_protocol_options.idle_timeout)).toBeLessThan(keepAliveMs)
  })
})

describe('the printed Traefik configuration', () => {
  const listening = traefikStatic.parse(parse(documented('yaml', 'entryPoints:\n  chat:')))
  const { http } = traefikDynamic.parse(parse(documented('yaml', 'serversTransports')))
  const { loadBalancer } = http.services.sluice

  test('[DEPLOY-326] has the structure that Traefik reads, and its names fit one another', () => {
    const { chat } = http.routers
    expect(listening.providers.file.filename).toBe('/etc/traefik/sluice.yaml')
    expect(chat.entryPoints).toEqual(Object.keys(listening.entryPoints))
    expect(chat.middlewares).toEqual(Object.keys(http.middlewares))
    expect(Object.keys(http.services)).toContain(chat.service)
    expect(Object.keys(http.serversTransports)).toContain(loadBalancer.serversTransport)
    expect(chat.rule).toBe('PathPrefix(`/`) && !Path(`/v1/admin/node`)')
    expect(loadBalancer.servers.map(({ url }) => url)).toEqual(nodes.map((address) => `http://${address.join(':')}`))
  })

  test('[DEPLOY-327] lets a socket last, and an answer be silent for an hour', () => {
    const { readTimeout, writeTimeout } = listening.entryPoints.chat.transport.respondingTimeouts
    const { responseHeaderTimeout, idleConnTimeout } = http.serversTransports.sluice.forwardingTimeouts
    // None.
    expect([readTimeout, writeTimeout, responseHeaderTimeout]).toEqual(['0s', '0s', '0s'])
    expect(msOf(idleConnTimeout)).toBeLessThan(keepAliveMs)
  })
})

describe('the printed timeouts of HAProxy and nginx', () => {
  const shipped = readFileSync(path.resolve(import.meta.dirname, '..', '..', 'deploy', 'nginx.conf'), 'utf8')
  const heartbeat = describeConfig().find(({ name }) => name === 'SLUICE_HEARTBEAT_MS')

  test.each([
    ['HAProxy', haproxyText, ['timeout client', 'timeout server', 'timeout tunnel']],
    ['nginx', nginxText, ['proxy_read_timeout', 'proxy_send_timeout']],
    ['deploy/nginx.conf', shipped, ['proxy_read_timeout', 'proxy_send_timeout']],
  ])('[DEPLOY-327] %s lets a socket last, and an answer be silent for an hour', (_, text, names) => {
    const timeoutOf = (name: string) => msOf(new RegExp(`^ *${name} +(\\w+)`, 'm').exec(text)?.[1])
    for (const name of names) expect([name, timeoutOf(name)]).toEqual([name, hourMs])
    // A socket is never silent for longer than its pings: nor would the defaults of a minute end it.
    expect(Number(heartbeat?.default)).toBeLessThan(30_001)
  })
})
