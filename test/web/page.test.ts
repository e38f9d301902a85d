import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { testedTransports } from '../support/transports.ts'
import { BreakableWire } from './breakable-wire.ts'
import { buildPage } from './built-page.ts'
import { launchChromium } from './chromium.ts'
import { counting, numbers } from './counting.ts'
import { PageDriver } from './page-driver.ts'
import { describeEnds } from './page-ends.ts'
import { describeHostile } from './page-hostile.ts'
import { describeSurroundings } from './page-surroundings.ts'
import { describeUse } from './page-use.ts'

/** One that only Stop ends, so that no test depends on being quick. */
const endless = counting(100_000, 100)

let browser: Browser
beforeAll(async () => {
  await buildPage()
  browser = await launchChromium()
})
afterAll(() => browser.close())

describe.each(testedTransports)('the page over %s', (transport) => {
  let gateway: TestGateway
  let wire: BreakableWire
  let context: BrowserContext
  let tabs: PageDriver[] = []

  beforeAll(async () => {
    gateway = await startTestGateway({ transport })
    wire = await BreakableWire.to(gateway.gateway.port)
  })
  afterAll(async () => {
    await wire[Symbol.asyncDispose]()
    await gateway[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' })
    tabs = []
  })
  afterEach(async () => {
    await context.close()
    wire.bringUp()
    for (const tab of tabs) expect([...tab.troubles, ...tab.foreignRequests]).toEqual([])
  })

  const openTab = async (url = wire.url): Promise<PageDriver> => {
    const tab = await PageDriver.open(context, url)
    tabs.push(tab)
    return tab
  }

  /** A tab that shows a new conversation; the one before it was left with the wire down, its message not sent. */
  const leaveUnsent = async (): Promise<PageDriver> => {
    const tab = await openTab()
    await tab.composer.waitFor()
    wire.takeDown()
    await tab.ask('Left behind')
    await tab.lastIs('unsent')
    await tab.button('New conversation').click()
    await tab.page.getByText('What would you like to know?').waitFor()
    return tab
  }

  it('[WEB-1] shows the answer while it grows', async () => {
    const tab = await openTab()
    await tab.ask(endless)
    const lengths: number[] = []
    for (let length = 0; lengths.length < 5; ) {
      length = await tab.longerThan(length)
      await tab.lastIs('streaming')
      lengths.push(length)
    }
    await tab.stop()
    expect(lengths).toEqual(lengths.toSorted((one, other) => one - other))
    expect(new Set(lengths).size).toBe(5)
    expect(numbers(100_000).startsWith(await tab.lastAnswer())).toBe(true)
  })

  it('[WEB-2] goes on after a reload in mid-answer', async () => {
    const tab = await openTab()
    await tab.ask(endless)
    const before = await tab.longerThan(20)
    await tab.page.reload()
    await tab.longerThan(await tab.longerThan(before))
    await tab.lastIs('streaming')
    await tab.stop()
    expect(await tab.serverAnswers(gateway)).toEqual([await tab.lastAnswer()])
  })

  it('[WEB-3] stops an answer and keeps what came', async () => {
    const tab = await openTab()
    await tab.ask(endless)
    await tab.longerThan(20)
    await tab.stop()
    const text = await tab.lastAnswer()
    expect(text.length).toBeGreaterThan(20)
    expect(await tab.serverAnswers(gateway)).toEqual([text])
    await tab.button('Stop').waitFor({ state: 'detached' })
  })

  it('[WEB-3] stops the answer that runs although another message waits behind it', async () => {
    const tab = await openTab()
    await tab.ask(endless)
    await tab.longerThan(20)
    await tab.ask(counting(3, 0))
    await tab.button('Stop').click()
    await tab.hasCompleted(2)
  })

  it('[WEB-4] asks again in place of the last answer', async () => {
    const tab = await openTab()
    await tab.ask(counting(5, 0))
    await tab.hasCompleted(1)
    const first = await tab.turns.last().getAttribute('data-turn')
    await tab.button('Ask again').click()
    await tab.page.waitForFunction((turn) => {
      const shown = [...document.querySelectorAll<HTMLElement>('[data-testid=turn]')]
      return shown.length === 1 && shown[0]?.dataset.turn !== turn && shown[0]?.dataset.state === 'completed'
    }, first)
    expect(await tab.lastAnswer()).toBe(numbers(5))
  })

  it('[WEB-5] edits the last message, and Escape leaves it as it was', async () => {
    const tab = await openTab()
    await tab.ask(counting(5, 0))
    await tab.hasCompleted(1)
    await tab.button('Edit message').click()
    const editor = tab.page.getByRole('textbox', { name: 'Edit your message' })
    await editor.fill('nothing')
    await editor.press('Escape')
    await tab.page.getByTestId('question').getByText('Count, please.').waitFor()
    await tab.button('Edit message').click()
    await editor.fill(counting(7, 0))
    await editor.press('Enter')
    await tab.answers.getByText(numbers(7), { exact: true }).waitFor()
    expect(await tab.turns.count()).toBe(1)
  })

  it('[WEB-6] shows the same in a second tab', async () => {
    const tab = await openTab()
    await tab.ask(endless)
    const before = await tab.longerThan(20)
    await tab.session()
    const second = await openTab(tab.page.url())
    await second.longerThan(await second.longerThan(before))
    await second.lastIs('streaming')
    await second.stop()
    await tab.lastIs('cancelled')
    expect(await tab.lastAnswer()).toBe(await second.lastAnswer())
    await second.ask('And in the second tab?')
    await tab.hasCompleted(2)
    expect(await tab.lastAnswer()).toContain('And in the second tab?')
  })

  it('[WEB-7] says that the connection is lost, and goes on by itself', async () => {
    const tab = await openTab()
    await tab.ask(counting(400, 100))
    await tab.longerThan(20)
    expect(wire.takeDown()).toBe(1)
    await tab.notice.getByText(/Connection lost\.|Reconnecting…/).waitFor()
    await tab.notice.getByText(/Since \d\d:\d\d/).waitFor()
    wire.bringUp()
    await tab.notice.waitFor({ state: 'detached' })
    await tab.hasCompleted(1)
    expect(await tab.lastAnswer()).toBe(numbers(400))
    expect(await tab.serverAnswers(gateway)).toEqual([numbers(400)])
  })

  it('[WEB-8] sends what was written without a connection, once', async () => {
    const tab = await openTab()
    await tab.ask(counting(3, 0))
    await tab.hasCompleted(1)
    wire.takeDown()
    await tab.ask(counting(4, 0))
    await tab.lastIs('unsent')
    await tab.page.reload()
    await tab.notice.waitFor()
    wire.bringUp()
    await tab.hasCompleted(2)
    expect(await tab.serverAnswers(gateway)).toEqual([numbers(3), numbers(4)])
  })

  it('[WEB-22] sends the first message of a conversation that was left before it was made', async () => {
    const tab = await leaveUnsent()
    wire.bringUp()
    await tab.button('Left behind').first().waitFor()
    await tab.ask('Another one')
    await tab.hasCompleted(1)
    await tab.button('Another one').first().waitFor()
    await tab.button('Left behind').first().click()
    await tab.page.getByTestId('question').getByText('Left behind').waitFor()
    await tab.hasCompleted(1)
  })

  it('[WEB-22] lists a conversation that was left before it was made, however late the gateway makes it', async () => {
    await context.routeWebSocket(/\/v1\/socket/, (socket) => {
      const gateway = socket.connectToServer()
      let held: (string | Buffer)[] | undefined = []
      socket.onMessage((frame) => {
        if (held !== undefined && frame.includes('"session.open"')) held.push(frame)
        else gateway.send(frame)
      })
      gateway.onMessage((frame) => {
        socket.send(frame)
        if (!frame.includes('"session.page"')) return
        for (const late of held ?? []) gateway.send(late)
        held = undefined
      })
    })
    const tab = await leaveUnsent()
    wire.bringUp()
    await tab.button('Left behind').first().waitFor()
  })

  it('[WEB-22] sends it also after a reload', async () => {
    const tab = await leaveUnsent()
    await tab.ask('Not left')
    await tab.lastIs('unsent')
    await tab.page.reload()
    await tab.lastIs('unsent')
    wire.bringUp()
    await tab.button('Left behind').first().waitFor()
    await tab.hasCompleted(1)
    await tab.page.getByTestId('question').getByText('Not left').waitFor()
    await tab.button('Left behind').first().click()
    await tab.page.getByTestId('question').getByText('Left behind').waitFor()
    await tab.hasCompleted(1)
  })

  it('[WEB-11] shows markup from the model and the user as text', async () => {
    const tab = await openTab()
    const hostile = [
      '<script>window.wasHit = 1</script>',
      '<img src=x onerror="window.wasHit = 2">',
      '<svg onload="window.wasHit = 3"></svg>',
      '[link](javascript:window.wasHit=4) [data](data:text/html,<script>window.wasHit=5</script>)',
      '![picture](https://tracker.invalid/pixel.png)',
      '[good](https://example.com/a?b=1&c=2)',
      '```html',
      '</code></pre><script>window.wasHit = 6</script>',
      '```',
    ].join('\n\n')
    await tab.ask(`${hostile}\n[[answer=echo]]`)
    await tab.hasCompleted(1)
    const text = await tab.lastAnswer()
    expect(text).toContain('<script>window.wasHit = 1</script>')
    expect(text).toContain('<img src=x onerror="window.wasHit = 2">')
    const inside = await tab.page.evaluate(() => {
      const root = document.querySelector('.turns')
      const links = [...(root?.querySelectorAll('a') ?? [])]
      return {
        dangerous: root?.querySelectorAll('script, img, svg[onload], iframe, [onerror], [onload]').length,
        links: links.map((link) => [link.getAttribute('href'), link.rel]),
        wasHit: 'wasHit' in window,
      }
    })
    expect(inside).toEqual({
      dangerous: 0,
      links: [
        ['https://tracker.invalid/pixel.png', 'noopener noreferrer nofollow'],
        ['https://example.com/a?b=1&c=2', 'noopener noreferrer nofollow'],
      ],
      wasHit: false,
    })
  })

  it('[WEB-12] pages older turns in without a jump', async () => {
    const tab = await openTab()
    for (let count = 1; count <= 24; count++) {
      await tab.ask(`${counting(60, 0)}\nNumber ${count}.`)
      await tab.hasCompleted(count)
    }
    await tab.page.reload()
    await tab.page.getByText('Number 24.').waitFor()
    // The first page of the log holds fewer than all turns.
    expect(await tab.turns.count()).toBeLessThan(24)
    const shift = await tab.page.evaluate(async () => {
      const scroller = document.querySelector('[data-testid=scroller]')
      // The first one may be half a turn, whose question comes with the older page.
      const first = document.querySelectorAll<HTMLElement>('[data-testid=turn]')[1]
      if (scroller === null || first === undefined) return 'nothing there'
      const before = document.querySelectorAll('[data-testid=turn]').length
      // Any scrolling up by the user.
      scroller.scrollTop = 300
      const top = first.getBoundingClientRect().top
      await new Promise<void>((resolve) => {
        const look = () => {
          if (document.querySelectorAll('[data-testid=turn]').length > before) resolve()
          else requestAnimationFrame(look)
        }
        look()
      })
      return Math.abs(first.getBoundingClientRect().top - top)
    })
    expect(shift).toBeLessThan(2)
    await tab.page.waitForFunction(() => {
      const scroller = document.querySelector('[data-testid=scroller]')
      if (scroller !== null) scroller.scrollTop = 0
      return document.querySelectorAll('[data-testid=turn]').length === 24
    })
    // The title of the conversation has the same words.
    await tab.page.getByTestId('question').getByText('Number 1.').waitFor()
  })

  it('[WEB-13] follows the answer only from its end', async () => {
    const tab = await openTab()
    await tab.ask(counting(1_500, 500))
    await tab.longerThan(4_000)
    const gap = () =>
      tab.page.evaluate(() => {
        const scroller = document.querySelector('[data-testid=scroller]')
        return scroller === null ? -1 : scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop
      })
    expect(await gap()).toBeLessThan(60)
    await tab.page.getByTestId('scroller').hover()
    await tab.page.mouse.wheel(0, -400)
    await tab.button('Jump to latest').waitFor()
    const top = await tab.page.getByTestId('scroller').evaluate((scroller) => scroller.scrollTop)
    await tab.hasCompleted(1)
    expect(await tab.page.getByTestId('scroller').evaluate((scroller) => scroller.scrollTop)).toBe(top)
    await tab.button('Jump to latest').click()
    expect(await gap()).toBeLessThan(60)
    await tab.button('Jump to latest').waitFor({ state: 'detached' })
  })

  it('[WEB-15] lists, renames and deletes conversations, in every tab', async () => {
    const tab = await openTab()
    await tab.ask('The first one')
    await tab.hasCompleted(1)
    await tab.button('New conversation').click()
    await tab.ask('The second one')
    await tab.hasCompleted(1)
    const second = await openTab()
    await second.button('The first one').first().waitFor()
    // A tab in the background draws no frames, and a click waits for some.
    await tab.page.bringToFront()
    const entry = tab.page.getByRole('listitem').filter({ hasText: 'The first one' })
    await entry.hover()
    await entry.getByRole('button', { name: /^Rename/ }).click()
    await tab.page.getByRole('textbox', { name: 'Title' }).fill('Renamed')
    await tab.page.getByRole('textbox', { name: 'Title' }).press('Enter')
    await second.button('Renamed').first().waitFor()
    const renamed = tab.page.getByRole('listitem').filter({ hasText: 'Renamed' })
    await renamed.hover()
    await renamed.getByRole('button', { name: /^Delete/ }).click()
    await tab.page.getByRole('button', { name: 'Delete', exact: true }).click()
    await tab.button('Renamed').first().waitFor({ state: 'detached' })
    await second.button('Renamed').first().waitFor({ state: 'detached' })
    expect(await tab.lastAnswer()).toContain('The second one')
  })

  it('[WEB-16] takes a rating back, and shows it in the other tab', async () => {
    const tab = await openTab()
    await tab.ask('Rate me')
    await tab.hasCompleted(1)
    await tab.session()
    const second = await openTab(tab.page.url())
    await second.hasCompleted(1)
    await tab.page.bringToFront()
    await tab.button('Good answer').click()
    await second.page.locator('[aria-label="Good answer"][aria-pressed=true]').waitFor()
    await tab.button('Bad answer').click()
    await second.page.locator('[aria-label="Bad answer"][aria-pressed=true]').waitFor()
    await second.page.locator('[aria-label="Good answer"][aria-pressed=false]').waitFor()
    await tab.button('Bad answer').click()
    await second.page.locator('[aria-label="Bad answer"][aria-pressed=false]').waitFor()
  })

  it('[WEB-17] says why an answer failed, keeps what came, and tries again', async () => {
    const tab = await openTab()
    const breaks = 'answer=count tokens=50 fault=reset-mid at=20'
    // Once is mended by the gateway: the page shows the new answer in place of the broken one.
    await tab.ask(`Break once.\n[[${breaks} key=once-${transport} times=1]]`)
    await tab.hasCompleted(1)
    expect(await tab.lastAnswer()).toBe(numbers(50))
    await tab.ask(`Break too often.\n[[${breaks} key=often-${transport} times=3]]`)
    await tab.lastIs('failed')
    await tab.page.getByTestId('failure').getByText('The model failed to answer.').waitFor()
    expect(await tab.lastAnswer()).toBe(numbers(20))
    await tab.button('Try again').click()
    await tab.hasCompleted(2)
    expect(await tab.lastAnswer()).toBe(numbers(50))
  })

  it('[WEB-19] never draws a finished block again', async () => {
    const tab = await openTab()
    const blocks = ['# Title', 'A **bold** word.', '- one\n- two', '```js\nlet a = 1\n```', `${numbers(9_000)}.`]
    await tab.ask(`${blocks.join('\n\n')}\n[[answer=echo tps=300]]`)
    await tab.answers.locator('pre').waitFor()
    await tab.longerThan(200)
    await tab.page.evaluate(() => {
      const nodes = [...document.querySelectorAll('[data-testid=answer] :is(h3, strong, li, .code-block)')]
      Object.assign(window, { nodes })
    })
    await tab.longerThan(await tab.longerThan(300))
    await tab.lastIs('streaming')
    await tab.stop()
    const kept = await tab.page.evaluate(() => {
      const now = [...document.querySelectorAll('[data-testid=answer] :is(h3, strong, li, .code-block)')]
      const before: Element[] = Reflect.get(window, 'nodes')
      return [before.length, now.length, before.every((node, index) => node === now[index])]
    })
    expect(kept).toEqual([5, 5, true])
  })

  describeUse(openTab)
})

describeHostile(() => browser)
describeSurroundings(() => browser)

it('[WEB-23] is small: at most 80 KB of script, compressed', async () => {
  const assets = resolve(import.meta.dirname, '../../web/dist/assets')
  const scripts = (await readdir(assets)).filter((name) => name.endsWith('.js'))
  const sizes = await Promise.all(scripts.map(async (name) => gzipSync(await readFile(join(assets, name))).length))
  expect(sizes.length).toBeGreaterThan(0)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(80_000)
})
describeEnds(() => browser)
