import { expect, test } from 'vitest'
import { redisTarget } from '../../sessions/redis/redis-url.ts'

const local = { host: 'localhost', port: 6379, db: 0 }

const standalone: readonly (readonly [string, object])[] = [
  ['redis://localhost', local],
  ['redis://localhost/', local],
  ['redis://localhost:7000/3', { host: 'localhost', port: 7000, db: 3 }],
  ['redis://10.0.0.1', { host: '10.0.0.1' }],
  ['redis://[::1]', { host: '::1', port: 6379 }],
  ['redis://[fe80::1]:7000', { host: 'fe80::1', port: 7000 }],
  ['redis://my_redis.svc-1.local:6379', { host: 'my_redis.svc-1.local' }],
  ['redis://:pass@localhost', { password: 'pass' }],
  ['redis://user:pass@localhost', { username: 'user', password: 'pass' }],
  ['redis://user@localhost', { username: 'user' }],
  ['redis://us%40er:p%2Fa%3As%25s@localhost', { username: 'us@er', password: 'p/a:s%s' }],
  ['redis://user:a:b@localhost', { username: 'user', password: 'a:b' }],
  ['rediss://localhost', { ...local, tls: {} }],
]

test('[REDIS-60] redis:// and rediss:// name one Redis, with login and database', () => {
  for (const [url, options] of standalone)
    expect(redisTarget(url), url).toMatchObject({
      kind: 'standalone',
      options: { maxRetriesPerRequest: 0, ...options },
    })
  expect(redisTarget('redis://localhost')?.options).not.toHaveProperty('tls')
  expect(redisTarget('redis://localhost')?.options).not.toHaveProperty('password')
})

test('[REDIS-60] redis+sentinel:// names Sentinels and the primary that they know', () => {
  const read = (url: string) => redisTarget(url)?.options
  const three = [
    { host: 'a', port: 26379 },
    { host: 'b', port: 5000 },
    { host: '::1', port: 26379 },
  ]
  expect(redisTarget('redis+sentinel://a,b:5000,[::1]/main')).toMatchObject({ kind: 'sentinel' })
  expect(read('redis+sentinel://a,b:5000,[::1]/main')).toMatchObject({ sentinels: three, name: 'main', db: 0 })
  expect(read('redis+sentinel://a/my%20main/2')).toMatchObject({ name: 'my main', db: 2 })
  const passwords = 'redis+sentinel://user:pass@a/main?sentinelPassword=s%26cret'
  expect(read(passwords)).toMatchObject({ username: 'user', password: 'pass', sentinelPassword: 's&cret' })
  const safe = read('rediss+sentinel://a/main')
  expect(safe).toMatchObject({ tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true })
})

test('[REDIS-60] redis+cluster:// names some of its nodes', () => {
  const nodes = [
    { host: 'a', port: 6379 },
    { host: 'b', port: 7000 },
  ]
  expect(redisTarget('redis+cluster://a,b:7000')).toMatchObject({ kind: 'cluster', nodes })
  const safe = redisTarget('rediss+cluster://user:pass@a')
  expect(safe).toMatchObject({ kind: 'cluster', options: { tls: {}, username: 'user', password: 'pass' } })
})

const malformed = [
  '',
  'localhost',
  'localhost:6379',
  'http://localhost',
  'redis:/localhost',
  'redis://',
  'redis:///0',
  'redis://local host',
  'redis://localhost:0',
  'redis://localhost:65536',
  'redis://localhost:port',
  'redis://localhost:',
  'redis://::1',
  'redis://a,b',
  'redis://localhost/zero',
  'redis://localhost/1/2',
  'redis://localhost/1000',
  'redis://localhost?db=1',
  'redis://us%er@localhost',
  'redis://user@pass@localhost',
  'redis+sentinel://a',
  'redis+sentinel://a/',
  'redis+sentinel://a/%zz',
  'redis+sentinel://a/main/x',
  'redis+sentinel://a/main/1/2',
  'redis+sentinel://a/main?password=x',
  'redis+sentinel://a,/main',
  'redis+cluster://a/1',
  'redis+cluster://a?x=1',
  'redis+cluster://a,,b',
  'redis+other://a',
]

test('[REDIS-61] what is no such URL is told as none, and never throws', () => {
  expect(malformed.filter((url) => redisTarget(url) !== undefined)).toEqual([])
})
