import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { type Config, describeConfig, type Environment, readConfig, Secret } from '../../gateway/config.ts'

const SECRET = 'a-secret-of-at-least-32-bytes-000'
const jwt = { SLUICE_JWT_SECRET: SECRET, SLUICE_JWT_ISSUER: 'https://issuer.example', SLUICE_JWT_AUDIENCE: 'sluice' }

const configOf = (environment: Environment): Config => {
  const result = readConfig(environment)
  if (result.kind === 'invalid') throw new Error(`unexpected problems: ${result.problems.join(' | ')}`)
  return result.config
}

const problemsOf = (environment: Environment): readonly string[] => {
  const result = readConfig(environment)
  return result.kind === 'invalid' ? result.problems : []
}

describe('defaults', () => {
  it('[CONF-1] an empty environment is a whole configuration, in development mode on loopback', () => {
    expect(configOf({})).toEqual({
      listen: { host: '127.0.0.1', port: 8080, transport: 'ws', uwsPath: undefined, trustedProxies: [] },
      tls: { kind: 'off' },
      limits: {
        maxFrameBytes: 1_048_576,
        maxContentBytes: 131_072,
        framesPerSecond: 100,
        socketsPerSubject: 200,
        watchedSessionsPerSocket: 200,
        messagesPerMinute: 'unlimited',
        writesPerMinute: 600,
        socketsPerAddress: 'unlimited',
        strangerConnectionsPerAddress: 1_000,
        strangerRequestsPerAddress: 50,
        helloDeadlineMs: 10_000,
        heartbeatMs: 25_000,
        drainDeadlineMs: 30_000,
      },
      store: {
        kind: 'memory',
        maxSessionCount: 10_000,
        shares: {},
        maxBytes: 268_435_456,
        sessionTtlMs: 2_592_000_000,
      },
      turns: { leaseMs: 5_000, takeOver: 'restart', whenBusy: 'refuse' },
      auth: { mode: 'development' },
      provider: {
        endpoint: { kind: 'bundled' },
        model: 'sluice-demo',
        promptsDir: 'prompts',
        promptTokens: 100_000,
        answerTokens: 4096,
        firstTokenTimeoutMs: 30_000,
        idleTimeoutMs: 30_000,
        turnTimeoutMs: 600_000,
      },
      policy: { file: undefined },
      proxies: { http: undefined, https: undefined, exceptions: [] },
      web: { allowedOrigins: 'own', tokenUrl: undefined },
      telemetry: {
        logLevel: 'info',
        metrics: { kind: 'on', host: '127.0.0.1', port: 9464 },
        exportTraces: false,
      },
      recording: { kind: 'off' },
    })
  })

  it('[CONF-2] an empty or blank variable counts as unset, also an unknown one', () => {
    const blank = Object.fromEntries(describeConfig().map(({ name }) => [name, ' ']))
    expect(configOf({ ...blank, PORT: '', SLUICE_NO_SUCH: '', OTHER: undefined })).toEqual(configOf({}))
  })
})

describe('single variables', () => {
  type Read = (config: Config) => unknown
  const legal: readonly (readonly [string, string, Read, unknown])[] = [
    ['PORT', '0', (c) => c.listen.port, 0],
    ['PORT', '65535', (c) => c.listen.port, 65_535],
    ['PORT', ' 9000 ', (c) => c.listen.port, 9000],
    ['HOST', '::1', (c) => c.listen.host, '::1'],
    ['HOST', 'localhost', (c) => c.listen.host, 'localhost'],
    ['SLUICE_TRANSPORT', 'auto', (c) => c.listen.transport, 'auto'],
    ['SLUICE_UWS_PATH', '/opt/uws.js', (c) => c.listen.uwsPath, '/opt/uws.js'],
    ['SLUICE_MAX_FRAME_BYTES', '2097152', (c) => c.limits.maxFrameBytes, 2_097_152],
    ['SLUICE_MESSAGES_PER_MINUTE', '30', (c) => c.limits.messagesPerMinute, 30],
    ['SLUICE_MESSAGES_PER_MINUTE', 'unlimited', (c) => c.limits.messagesPerMinute, 'unlimited'],
    ['SLUICE_SOCKETS_PER_ADDRESS', '50', (c) => c.limits.socketsPerAddress, 50],
    ['SLUICE_STRANGER_CONNECTIONS_PER_ADDRESS', '9', (c) => c.limits.strangerConnectionsPerAddress, 9],
    ['SLUICE_STRANGER_REQUESTS_PER_ADDRESS', 'unlimited', (c) => c.limits.strangerRequestsPerAddress, 'unlimited'],
    ['SLUICE_DRAIN_MS', '0', (c) => c.limits.drainDeadlineMs, 0],
    ['SLUICE_SESSION_TTL_HOURS', '1', (c) => c.store.sessionTtlMs, 3_600_000],
    ['SLUICE_METRICS_PORT', 'off', (c) => c.telemetry.metrics, { kind: 'off' }],
    ['SLUICE_METRICS_PORT', '0', (c) => c.telemetry.metrics, { kind: 'on', host: '127.0.0.1', port: 0 }],
    ['SLUICE_LOG_LEVEL', 'debug', (c) => c.telemetry.logLevel, 'debug'],
    ['SLUICE_WEB_TOKEN_URL', '/login/token', (c) => c.web.tokenUrl, '/login/token'],
    ['SLUICE_WEB_TOKEN_URL', 'https://id.example/token', (c) => c.web.tokenUrl, 'https://id.example/token'],
    [
      'SLUICE_ALLOWED_ORIGINS',
      'https://a.example, http://b.example:8080,capacitor://localhost',
      (c) => c.web.allowedOrigins,
      ['https://a.example', 'http://b.example:8080', 'capacitor://localhost'],
    ],
    [
      'SLUICE_TRUSTED_PROXIES',
      '10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,::1,',
      (c) => c.listen.trustedProxies,
      [
        { address: '10.0.0.0', prefixBits: 8, family: 'ipv4' },
        { address: '192.0.2.7', prefixBits: 32, family: 'ipv4' },
        { address: '2001:db8::', prefixBits: 32, family: 'ipv6' },
        { address: '::1', prefixBits: 128, family: 'ipv6' },
      ],
    ],
  ]
  it.each(legal)('[CONF-3] %s=%s is read', (name, text, read, expected) => {
    expect(read(configOf({ [name]: text }))).toEqual(expected)
  })

  const illegal: readonly (readonly [string, string])[] = [
    ['PORT', 'http'],
    ['PORT', '-1'],
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['PORT', '0x50'],
    ['PORT', '1e3'],
    ['PORT', '10_000'],
    ['PORT', '9'.repeat(400)],
    ['HOST', 'http://127.0.0.1'],
    ['HOST', '127.0.0.1:80'],
    ['HOST', 'bad host'],
    ['SLUICE_TRANSPORT', 'WS'],
    ['SLUICE_TRANSPORT', 'http'],
    ['SLUICE_METRICS_PORT', 'none'],
    ['SLUICE_METRICS_HOST', '/'],
    ['SLUICE_MAX_FRAME_BYTES', '1'],
    ['SLUICE_MAX_CONTENT_BYTES', '0'],
    ['SLUICE_FRAMES_PER_SECOND', '0'],
    ['SLUICE_SOCKETS_PER_SUBJECT', 'unlimited'],
    ['SLUICE_WATCHED_SESSIONS', '10001'],
    ['SLUICE_MESSAGES_PER_MINUTE', '0'],
    ['SLUICE_SOCKETS_PER_ADDRESS', 'many'],
    ['SLUICE_HELLO_DEADLINE_MS', '99'],
    ['SLUICE_HEARTBEAT_MS', '0'],
    ['SLUICE_DRAIN_MS', '3600001'],
    ['SLUICE_MEMORY_MAX_SESSIONS', '0'],
    ['SLUICE_MEMORY_MAX_BYTES', '1024'],
    ['SLUICE_SESSION_TTL_HOURS', '0'],
    ['SLUICE_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['SLUICE_TRUSTED_PROXIES', '10.0.0.0/8/8'],
    ['SLUICE_TRUSTED_PROXIES', '10.0.0.0/'],
    ['SLUICE_TRUSTED_PROXIES', '::1/129'],
    ['SLUICE_TRUSTED_PROXIES', 'fe80::1%eth0'],
    ['SLUICE_TRUSTED_PROXIES', '127.0.0.1, proxy.example'],
    ['SLUICE_TRUSTED_PROXIES', ','],
    ['SLUICE_TRUSTED_PROXIES', Array.from({ length: 257 }, () => '10.0.0.1').join(',')],
    ['SLUICE_ALLOWED_ORIGINS', '*'],
    ['SLUICE_ALLOWED_ORIGINS', 'https://a.example/'],
    ['SLUICE_ALLOWED_ORIGINS', 'a.example'],
    ['SLUICE_WEB_TOKEN_URL', '//evil.example/token'],
    ['SLUICE_WEB_TOKEN_URL', 'javascript:alert(1)'],
    ['SLUICE_WEB_TOKEN_URL', 'https://name:word@id.example/'],
    ['OPENAI_BASE_URL', 'api.openai.com'],
    ['OPENAI_BASE_URL', 'https://name:word@api.example/v1'],
    ['SLUICE_ANSWER_TOKENS', '0'],
    ['SLUICE_PROMPT_TOKENS', '-5'],
    ['SLUICE_FIRST_TOKEN_TIMEOUT_MS', '0'],
    ['SLUICE_IDLE_TIMEOUT_MS', '0'],
    ['SLUICE_TURN_TIMEOUT_MS', '0'],
    ['SLUICE_LOG_LEVEL', 'verbose'],
  ]
  it.each(illegal)('[CONF-4] %s=%s is a problem that names the variable and what to do', (name, text) => {
    const problems = problemsOf({ [name]: text })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toMatch(new RegExp(`^${name} .*; set `))
  })

  it('[CONF-5] all problems are told at once', () => {
    const problems = problemsOf({ PORT: 'x', SLUICE_LOG_LEVEL: 'y', HOST: '0.0.0.0', SLUICE_TLS_CERT_FILE: 'c.pem' })
    const names = problems.map((problem) => problem.split(' ', 1)[0])
    expect(names.toSorted()).toEqual(['HOST', 'PORT', 'SLUICE_LOG_LEVEL', 'SLUICE_TLS_KEY_FILE'])
  })

  it('[CONF-6] no problem repeats a value, whichever variable it was given to', () => {
    const pasted = 'sk-pasted:into@the,wrong variable'
    for (const { name } of describeConfig()) {
      for (const problem of problemsOf({ [name]: pasted, SLUICE_NO_SUCH: pasted })) {
        expect(problem).not.toMatch(/pasted|wrong variable/)
      }
    }
  })
})

describe('SLUICE_ALLOWED_ORIGINS', () => {
  it.each([
    ['https://A.Example:443', 'https://a.example'],
    ['HTTP://a.example:80', 'http://a.example'],
    ['https://a.example:8443', 'https://a.example:8443'],
    ['http://[0:0::1]:5173', 'http://[::1]:5173'],
    ['https://*.Example.com', 'https://*.example.com'],
    ['https://*.a.example.com:443', 'https://*.a.example.com'],
    ['http://*.example.com:8080', 'http://*.example.com:8080'],
    ['http://*.localhost:5173', 'http://*.localhost:5173'],
    ['capacitor://localhost', 'capacitor://localhost'],
  ])('[CONF-320] %s counts as %s', (text, origin) => {
    expect(configOf({ SLUICE_ALLOWED_ORIGINS: text }).web.allowedOrigins).toEqual([origin])
  })

  it.each([
    '*',
    'https://*',
    'https://*.',
    'https://*.com',
    'https://*.internal:8080',
    '*.example.com',
    '*://a.example.com',
    'https://a.*.example.com',
    'https://a*.example.com',
    'https://*a.example.com',
    'https://**.example.com',
    'https://*.*.example.com',
    'https://*.example.*',
    'https://*.example.com:*',
    'https://*.example.com/',
    'https://*.example.com/path',
    'https://*..example.com',
    'https://*.example.com.',
    'https://*@example.com',
    'https://name@a.example.com',
    'https://*.127.0.0.1',
    'https://*.0.0.1',
    'https://*.[::1]',
    'chrome-extension://*',
    'https:a.example',
    'https://a.example?',
    'https://a.example\\b',
    'null',
  ])('[CONF-320] %s refuses to start', (text) => {
    const problems = problemsOf({ SLUICE_ALLOWED_ORIGINS: text })
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('https://*.app.example for every name below')
  })
})

describe('unknown variables', () => {
  it.each([
    ['SLUICE_HEARTBEAT', 'SLUICE_HEARTBEAT_MS'],
    ['SLUICE_JWT_AUDENCE', 'SLUICE_JWT_AUDIENCE'],
    ['SLUICE_PORT', 'PORT'],
    ['SLUICE_OPENAI_API_KEY', 'OPENAI_API_KEY'],
    ['SLUICE_MAXFRAMEBYTES', 'SLUICE_MAX_FRAME_BYTES'],
  ])('[CONF-7] %s is a problem that asks whether %s was meant', (name, meant) => {
    expect(problemsOf({ [name]: '1' })).toEqual([`${name} is not a variable of Sluice; did you mean ${meant}?`])
  })

  it.each(['SLUICE_ENTIRELY_DIFFERENT', `SLUICE_${'X'.repeat(100_000)}`])(
    '[CONF-7] a name like nothing known is a problem without a guess',
    (name) => {
      expect(problemsOf({ [name]: '1' })).toEqual([`${name.slice(0, 64)} is not a variable of Sluice; unset it`])
    },
  )

  it('[CONF-8] SLUICE_TEST_* and variables of others are nobody’s business', () => {
    expect(problemsOf({ SLUICE_TEST_SEED: '7', PATH: '/bin', sluice_port: '1', LD_PRELOAD: 'x' })).toEqual([])
  })

  it('[CONF-9] what Kubernetes tells of a service named sluice is passed over', () => {
    const links = {
      SLUICE_SERVICE_HOST: '10.0.0.1',
      SLUICE_SERVICE_PORT: '80',
      SLUICE_SERVICE_PORT_HTTP: '80',
      SLUICE_PORT: 'tcp://10.0.0.1:80',
      SLUICE_PORT_80_TCP: 'tcp://10.0.0.1:80',
      SLUICE_PORT_80_TCP_PROTO: 'tcp',
      SLUICE_PORT_80_TCP_PORT: '80',
      SLUICE_PORT_80_TCP_ADDR: '10.0.0.1',
      SLUICE_REDIS_SERVICE_HOST: '10.0.0.2',
    }
    expect(problemsOf(links)).toEqual([])
    expect(problemsOf({ SLUICE_METRICS_PORT: 'tcp://10.0.0.1:9464' })).toEqual([
      'SLUICE_METRICS_PORT was overwritten by a Kubernetes service link; set enableServiceLinks: false',
    ])
  })
})

describe('rules between variables', () => {
  it('[CONF-17] TLS needs both files or none', () => {
    const [certFile, keyFile] = ['cert.pem', 'key.pem']
    expect(problemsOf({ SLUICE_TLS_CERT_FILE: certFile })[0]).toMatch(/^SLUICE_TLS_KEY_FILE is missing/)
    expect(problemsOf({ SLUICE_TLS_KEY_FILE: keyFile })[0]).toMatch(/^SLUICE_TLS_CERT_FILE is missing/)
    const { tls } = configOf({ SLUICE_TLS_CERT_FILE: certFile, SLUICE_TLS_KEY_FILE: keyFile })
    expect(tls).toEqual({ kind: 'on', certFile, keyFile })
  })

  it('[CONF-18] REDIS_URL switches the store, and what is none of its forms is a problem', () => {
    const url = 'redis://:word@127.0.0.1:6379'
    expect(configOf({ REDIS_URL: url }).store).toMatchObject({ kind: 'redis', prefix: 'sluice:', waitReplicas: 0 })
    expect(configOf({}).store.kind).toBe('memory')
    for (const wrong of ['http://127.0.0.1', 'redis://', '127.0.0.1:6379', 'redis://a,b', 'redis+sentinel://a'])
      expect(problemsOf({ REDIS_URL: wrong })[0]).toMatch(/^REDIS_URL is not valid/)
  })

  it('[CONF-25] settings of Redis want a REDIS_URL, and a session outlives its answers', () => {
    expect(problemsOf({ SLUICE_REDIS_WAIT_REPLICAS: '1' })[0]).toMatch(/^SLUICE_REDIS_WAIT_REPLICAS .*set REDIS_URL/)
    const short = { SLUICE_SESSION_TTL_HOURS: '1', SLUICE_TURN_TIMEOUT_MS: '3600000' }
    expect(problemsOf({ REDIS_URL: 'redis://a', ...short })[0]).toMatch(/^SLUICE_SESSION_TTL_HOURS is not longer/)
    expect(problemsOf(short)).toEqual([])
  })

  it('[CONF-19] the metrics have a port of their own', () => {
    expect(problemsOf({ PORT: '9464' })[0]).toMatch(/^SLUICE_METRICS_PORT is the same as PORT/)
    expect(problemsOf({ PORT: '0', SLUICE_METRICS_PORT: '0' })).toEqual([])
  })

  it('[CONF-20] content of the full length fits into a frame', () => {
    const sizes = (frame: number, content: number) => ({
      SLUICE_MAX_FRAME_BYTES: `${frame}`,
      SLUICE_MAX_CONTENT_BYTES: `${content}`,
    })
    // Six bytes for a control character, two quotes, 8 KiB of metadata in characters of three bytes, 4 KiB for the rest.
    const aroundBytes = 3 * 8_192 + 4_096
    expect(problemsOf(sizes(60_001 + aroundBytes, 10_000))[0]).toMatch(/^SLUICE_MAX_FRAME_BYTES is too small/)
    expect(problemsOf(sizes(60_002 + aroundBytes, 10_000))).toEqual([])
    // As JSON no content is above 192 KiB, whatever may be sent.
    expect(problemsOf(sizes(192 * 1_024 - 1 + aroundBytes, 128 * 1_024))).not.toEqual([])
    expect(problemsOf(sizes(192 * 1_024 + aroundBytes, 128 * 1_024))).toEqual([])
    expect(problemsOf(sizes(1_048_576, 192 * 1_024 - 2))).toEqual([])
    expect(problemsOf(sizes(1_048_576, 192 * 1_024 - 1))[0]).toMatch(/^SLUICE_MAX_CONTENT_BYTES is out of range/)
  })

  it('[CONF-21] either variable of the provider takes the place of the bundled model server', () => {
    const endpoint = (environment: Environment) => configOf(environment).provider.endpoint
    expect(endpoint({ OPENAI_BASE_URL: 'http://10.0.0.9:8000/v1' })).toEqual({
      kind: 'openai',
      baseUrl: 'http://10.0.0.9:8000/v1',
      apiKey: undefined,
    })
    const withKey = endpoint({ OPENAI_API_KEY: 'sk-key' })
    expect(withKey).toMatchObject({ kind: 'openai', baseUrl: 'https://api.openai.com/v1' })
    expect(withKey.kind === 'openai' && withKey.apiKey?.reveal()).toBe('sk-key')
  })

  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }
  it.each([
    [{}, false],
    [endpoint, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, false],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }, false],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }, false],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'false' }, true],
    [{ OTEL_SERVICE_NAME: 'sluice' }, false],
  ] satisfies (readonly [Environment, boolean])[])('[CONF-22] %o exports traces: %s', (environment, expected) => {
    expect(configOf(environment).telemetry.exportTraces).toBe(expected)
  })
})

describe('what can be printed', () => {
  it('[CONF-23] every variable has a row with meaning, unit, default and range', () => {
    const rows = describeConfig()
    expect(rows.length).toBeGreaterThan(40)
    for (const row of rows) {
      for (const cell of [row.name, row.meaning, row.unit, row.default, row.range]) expect(cell).not.toBe('')
    }
    expect(rows.find(({ name }) => name === 'SLUICE_HEARTBEAT_MS')).toEqual({
      name: 'SLUICE_HEARTBEAT_MS',
      meaning: 'longest time between two pings; a socket silent for three of them is dead',
      unit: 'ms',
      default: '25000',
      range: '100 to 600000',
    })
  })

  it('[CONF-23] a numeric default, set as it is printed, changes nothing', () => {
    const printed = describeConfig().filter((row) => /^(\d+|unlimited)$/.test(row.default))
    expect(printed.length).toBeGreaterThan(15)
    expect(configOf(Object.fromEntries(printed.map((row) => [row.name, row.default])))).toEqual(configOf({}))
  })

  it('[CONF-24] a configuration can be logged: its secrets do not show', () => {
    const config = configOf({ ...jwt, OPENAI_API_KEY: 'sk-private' })
    for (const shown of [
      JSON.stringify(config),
      inspect(config, { depth: 9, showHidden: true }),
      `${new Secret('sk-private')}`,
    ]) {
      expect(shown).toContain('[secret]')
      expect(shown).not.toContain('sk-private')
      expect(shown).not.toContain(SECRET)
    }
  })
})
