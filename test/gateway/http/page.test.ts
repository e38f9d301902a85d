import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { request as rawRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { KeptAnswer } from '../../../gateway/http/kept-answer.ts'
import { PageFiles } from '../../../gateway/http/page.ts'
import { testedTransports } from '../../support/transports.ts'
import { jwtEnv, type Station, startStation } from './station.ts'

describe.each(testedTransports)('the page on %s', (transport) => {
  test('[HTTP-44] the page is asked for anew each time, its hashed assets never again', async () => {
    await using station = await startStation({ transport })
    await build(station.pageDir)
    const page = await fetch(`${station.url}/`)
    expect([page.status, page.headers.get('content-type'), page.headers.get('cache-control')]).toEqual([
      200,
      'text/html; charset=utf-8',
      'no-cache',
    ])
    expect(await page.text()).toBe('<!doctype html>')
    const etag = String(page.headers.get('etag'))
    const again = await fetch(`${station.url}/`, { headers: { 'if-none-match': etag } })
    expect([again.status, await again.text()]).toEqual([304, ''])
    await writeFile(join(station.pageDir, 'index.html'), '<!doctype html><p>new')
    expect((await fetch(`${station.url}/`, { headers: { 'if-none-match': etag } })).status).toBe(200)
    const script = await fetch(`${station.url}/assets/index-abc123.js`)
    expect(script.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8')
    const head = await fetch(`${station.url}/`, { method: 'HEAD' })
    expect([head.status, await head.text()]).toEqual([200, ''])
  })

  test('[HTTP-45] the page may run what it is served, talk to where it came from, and be framed by nobody', async () => {
    const env = { ...jwtEnv, SLUICE_WEB_TOKEN_URL: 'https://login.example/token' }
    await using station = await startStation({ transport, env })
    await build(station.pageDir)
    for (const path of ['/', '/assets/index-abc123.js']) {
      const { headers } = await fetch(station.url + path)
      const policy = headers.get('content-security-policy') ?? ''
      for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
        expect(policy).toContain(rule)
      }
      expect(policy).toContain("connect-src 'self' https://login.example;")
      expect(policy).not.toContain('unsafe')
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
    }
  })

  test('[HTTP-104] files are read once, and again when they change', async () => {
    await using station = await startStation({ transport })
    await build(station.pageDir)
    const asset = `${station.url}/assets/index-abc123.js`
    const first = await fetch(asset)
    expect(await first.text()).toBe('export {}')
    // What has a hash of its content in its name is not looked at again.
    await rm(join(station.pageDir, 'assets', 'index-abc123.js'))
    const again = await fetch(asset, { method: 'HEAD' })
    expect([again.status, again.headers.get('content-length')]).toEqual([200, '9'])
    const known = await fetch(asset, { headers: { 'if-none-match': `"x", W/${first.headers.get('etag')}` } })
    expect([known.status, await known.text()]).toEqual([304, ''])
    for (const text of ['<p>1', '<p>2', '<p>3 is longer']) {
      await writeFile(join(station.pageDir, 'index.html'), text)
      expect(await (await fetch(`${station.url}/`)).text()).toBe(text)
      expect((await fetch(`${station.url}/`, { method: 'HEAD' })).headers.get('content-length')).toBe(`${text.length}`)
    }
    await rm(join(station.pageDir, 'index.html'))
    expect((await fetch(`${station.url}/`)).status).toBe(404)
  })

  test('[HTTP-104] a file in memory that a link out of the folder takes the place of is not answered', async () => {
    await using station = await startStation({ transport })
    await build(station.pageDir)
    await fetch(`${station.url}/`)
    const outside = `${station.pageDir}-secret.txt`
    await writeFile(outside, 'secret')
    await rm(join(station.pageDir, 'index.html'))
    await symlink(outside, join(station.pageDir, 'index.html'))
    expect(await (await fetch(`${station.url}/`)).text()).not.toContain('secret')
  })

  test('[HTTP-105] the page gives up what it does not use', async () => {
    await using station = await startStation({ transport })
    await build(station.pageDir)
    for (const _ of ['read', 'in memory']) {
      const { headers } = await fetch(`${station.url}/`)
      expect(headers.get('permissions-policy')).toContain('microphone=()')
      expect(headers.has('strict-transport-security')).toBe(false)
    }
  })

  test('[HTTP-46] no path leads out of the folder', async () => {
    await using station = await startStation({ transport })
    await build(station.pageDir)
    const outside = `${station.pageDir}-secret.txt`
    await writeFile(outside, 'secret')
    await symlink(outside, join(station.pageDir, 'assets', 'link.txt'))
    await writeFile(join(station.pageDir, '.hidden'), 'secret')
    const name = outside.slice(tmpdir().length + 1)
    const paths = [
      `/../${name}`,
      `/assets/../../${name}`,
      `/%2e%2e/${name}`,
      `/..%2f${name}`,
      `/assets/..%5c..%5c${name}`,
      `/assets//../${name}`,
      `/${outside}`,
      '/assets/link.txt',
      '/.hidden',
      '/assets',
      '/assets/',
      '/assets/%00',
      '/%ff',
      '/assets/none.js',
    ]
    for (const path of paths) {
      const { status, text } = await raw(station, path)
      expect([path, status === 404 || status === 400, text.includes('secret')]).toEqual([path, true, false])
    }
  })

  test('[HTTP-47] without a built page the address says how to build it', async () => {
    await using station = await startStation({ transport })
    const answer = await fetch(`${station.url}/`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([404, 'text/plain; charset=utf-8'])
    expect(await answer.text()).toContain('vite build web')
  })
})

async function build(dir: string): Promise<void> {
  await mkdir(join(dir, 'assets'))
  await writeFile(join(dir, 'index.html'), '<!doctype html>')
  await writeFile(join(dir, 'assets', 'index-abc123.js'), 'export {}')
}

/** The path as it is written; `fetch` would tidy it up. */
function raw(station: Station, path: string): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const request = rawRequest({ host: '127.0.0.1', port: station.port, path }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (piece: string) => {
        text += piece
      })
      response.on('end', () => resolve({ status: response.statusCode, text }))
    })
    request.on('error', reject).end()
  })
}

test('[HTTP-104] who asks for a file before it was read shares one copy of it', async () => {
  await using station = await startStation()
  await build(station.pageDir)
  const page = new PageFiles(station.pageDir, undefined)
  const first = page.answer('/assets/index-abc123.js')
  expect(first).toBeInstanceOf(KeptAnswer)
  expect(page.answer('/assets/index-abc123.js')).toBe(first)
})
