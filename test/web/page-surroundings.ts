import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { counting } from './counting.ts'
import { PageDriver } from './page-driver.ts'

/** On a phone, in a theme, before a gateway with keys; a part of page.test.ts, which has the browser. */
export function describeSurroundings(browser: () => Browser): void {
  describe('the page in its surroundings', () => {
    let gateway: TestGateway
    beforeAll(async () => {
      gateway = await startTestGateway()
    })
    afterAll(() => gateway[Symbol.asyncDispose]())

    it('[WEB-24] lays the conversations over a phone, and gives the focus back', async () => {
      const context = await browser().newContext({
        viewport: { width: 390, height: 844 },
        hasTouch: true,
        isMobile: true,
      })
      const tab = await PageDriver.open(context, gateway.httpUrl)
      const menu = tab.page.getByRole('button', { name: 'Conversations', exact: true })
      await tab.button('New conversation').waitFor({ state: 'hidden' })
      await menu.click()
      await tab.button('New conversation').waitFor()
      expect(await tab.page.evaluate(() => document.querySelector('main')?.inert)).toBe(true)
      await tab.page.keyboard.press('Escape')
      await tab.button('New conversation').waitFor({ state: 'hidden' })
      await tab.page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Conversations')
      await tab.composer.fill(`A long word: ${'x'.repeat(300)}\n\n| ${'wide cell | '.repeat(20)}\n[[answer=echo]]`)
      await tab.button('Send').click()
      await tab.hasCompleted(1)
      // Nothing sticks out sideways.
      expect(await tab.page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
      expect(await tab.page.getByTestId('scroller').evaluate(({ scrollWidth }) => scrollWidth)).toBeLessThanOrEqual(390)
      await context.close()
    })

    it('[WEB-27] begins a new line with Enter on a touch screen, where the button sends', async () => {
      const context = await browser().newContext({
        viewport: { width: 390, height: 844 },
        hasTouch: true,
        isMobile: true,
      })
      const tab = await PageDriver.open(context, gateway.httpUrl)
      await tab.page.getByText('Enter sends').waitFor({ state: 'hidden' })
      expect(await tab.composer.getAttribute('enterkeyhint')).toBe('enter')
      await tab.composer.pressSequentially('one')
      await tab.composer.press('Enter')
      await tab.composer.pressSequentially('two')
      expect(await tab.composer.inputValue()).toBe('one\ntwo')
      await tab.button('Send').tap()
      await tab.hasCompleted(1)
      expect(await tab.page.getByTestId('question').textContent()).toBe('one\ntwo')
      // A keyboard that was joined to the tablet.
      await tab.composer.fill('three')
      await tab.composer.press('Control+Enter')
      await tab.hasCompleted(2)
      expect(tab.troubles).toEqual([])
      await context.close()
    })

    it('[WEB-28] leaves the conversations open when Escape ends a renaming or keeps what was to be deleted', async () => {
      const context = await browser().newContext({
        viewport: { width: 390, height: 844 },
        hasTouch: true,
        isMobile: true,
      })
      const tab = await PageDriver.open(context, gateway.httpUrl)
      await tab.composer.fill('Keep me')
      await tab.button('Send').tap()
      await tab.hasCompleted(1)
      await tab.page.getByRole('button', { name: 'Conversations', exact: true }).tap()
      await tab.button(/^Rename/).tap()
      await tab.page.getByRole('textbox', { name: 'Title' }).fill('Something else')
      await tab.page.keyboard.press('Escape')
      await tab.button(/^Delete “Keep me”/).tap()
      await tab.page.getByText('Delete for good?').waitFor()
      await tab.page.keyboard.press('Escape')
      await tab.button(/^Rename “Keep me”/).waitFor()
      await tab.page.keyboard.press('Escape')
      await tab.button('New conversation').waitFor({ state: 'hidden' })
      expect(tab.troubles).toEqual([])
      await context.close()
    })

    it('[WEB-29] scrolls its messages and never itself, whatever is brought into view', async () => {
      const context = await browser().newContext({ viewport: { width: 390, height: 844 } })
      const tab = await PageDriver.open(context, gateway.httpUrl)
      for (const count of [1, 2]) {
        await tab.ask(counting(2_000, 0))
        await tab.hasCompleted(count)
      }
      const places = await tab.page.evaluate(() => {
        // As a search in the page does, and a screen reader that goes from heading to heading.
        for (const heading of document.querySelectorAll('.turn h2')) heading.scrollIntoView()
        document.querySelector('[data-testid=answer]')?.scrollIntoView()
        return { page: [scrollX, scrollY], head: document.querySelector('header')?.getBoundingClientRect().top }
      })
      expect(places).toEqual({ page: [0, 0], head: 0 })
      await context.close()
    })

    it('[WEB-25] follows the theme of the system until the user chooses one, which is kept', async () => {
      const context = await browser().newContext({ colorScheme: 'dark' })
      const tab = await PageDriver.open(context, gateway.httpUrl)
      const isDark = () =>
        tab.page.evaluate(() => getComputedStyle(document.body).backgroundColor === 'rgb(23, 25, 27)')
      expect(await isDark()).toBe(true)
      await tab.button('Light theme').click()
      expect(await isDark()).toBe(false)
      await tab.page.reload()
      await tab.button('Dark theme').click()
      expect(await isDark()).toBe(true)
      await context.close()
    })
  })

  describe('the page of a gateway with keys', () => {
    it('[WEB-20] asks for a token, says when it is refused, and goes on with the right one', async () => {
      const secret = 'a secret of forty characters and not less'
      const env = { SLUICE_JWT_SECRET: secret, SLUICE_JWT_ISSUER: '*', SLUICE_JWT_AUDIENCE: '*' }
      await using gateway = await startTestGateway({ env })
      const context = await browser().newContext()
      const page = await context.newPage()
      await page.goto(gateway.httpUrl)
      const field = page.getByRole('textbox', { name: 'Token' })
      await field.fill('nonsense')
      await field.press('Tab')
      await page.getByRole('button', { name: 'Connect' }).click()
      await page.getByText('did not accept the last token').waitFor()
      await field.fill(`\n  ${await signed(secret)} \n`)
      await page.getByRole('button', { name: 'Connect' }).click()
      await page.getByRole('textbox', { name: 'Message' }).fill('Signed in?')
      await page.keyboard.press('Enter')
      await page.locator('[data-state=completed]').waitFor()
      await context.close()
    })
  })
}

async function signed(secret: string): Promise<string> {
  const { SignJWT } = await import('jose')
  return new SignJWT({ scope: 'chat history' })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('somebody')
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))
}
