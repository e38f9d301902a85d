import { describe, expect, it } from 'vitest'
import { counting, numbers } from './counting.ts'
import type { PageDriver } from './page-driver.ts'

/** With the keyboard, an input method or a screen reader; a part of page.test.ts, which has the browser. */
export function describeUse(openTab: () => Promise<PageDriver>): void {
  describe('for who writes and listens', () => {
    it('[WEB-9] keeps a draft through a reload', async () => {
      const tab = await openTab()
      await tab.composer.fill('half a thought')
      await tab.page.reload()
      await tab.composer.waitFor()
      expect(await tab.composer.inputValue()).toBe('half a thought')
    })

    it('[WEB-10] does not send while an input method composes, and Shift+Enter is a new line', async () => {
      const tab = await openTab()
      await tab.composer.fill('日本')
      await tab.composer.dispatchEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true })
      await tab.composer.dispatchEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })
      await tab.composer.press('End')
      await tab.composer.press('Shift+Enter')
      await tab.composer.pressSequentially('語')
      expect(await tab.composer.inputValue()).toBe('日本\n語')
      expect(await tab.turns.count()).toBe(0)
      await tab.composer.press('Enter')
      await tab.hasCompleted(1)
      expect(await tab.page.getByTestId('question').textContent()).toBe('日本\n語')
    })

    it('[WEB-14] can be used with the keyboard alone', async () => {
      const tab = await openTab()
      const { keyboard } = tab.page
      const focusOn = async (name: RegExp, key: 'Tab' | 'Shift+Tab') => {
        for (let presses = 0; presses < 40; presses++) {
          await keyboard.press(key)
          const label = await tab.page.evaluate(() => {
            const { activeElement } = document
            return activeElement?.getAttribute('aria-label') ?? activeElement?.textContent ?? ''
          })
          if (name.test(label)) return
        }
        throw new Error(`${name} cannot be reached with ${key}`)
      }
      await focusOn(/^Message$/, 'Tab')
      await keyboard.type('Hello')
      await keyboard.press('Enter')
      await tab.hasCompleted(1)
      await focusOn(/^Good answer$/, 'Shift+Tab')
      await keyboard.press('Space')
      await tab.page.locator('[aria-label="Good answer"][aria-pressed=true]').waitFor()
      await focusOn(/^Edit message$/, 'Shift+Tab')
      await keyboard.press('Enter')
      await keyboard.press('ControlOrMeta+a')
      await keyboard.type(counting(6, 0).replace('\n', ''))
      await keyboard.press('Escape')
      await tab.page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'Edit message')
      await focusOn(/^Rename/, 'Shift+Tab')
      await keyboard.press('Enter')
      await keyboard.type('By keyboard')
      await keyboard.press('Enter')
      await tab.page.getByRole('heading', { level: 1, name: 'By keyboard' }).waitFor()
      await focusOn(/^New conversation$/, 'Shift+Tab')
      await keyboard.press('Enter')
      await tab.page.getByText('What would you like to know?').waitFor()
    })

    it('[WEB-18] tells screen readers of the finished answer, once', async () => {
      const tab = await openTab()
      await tab.page.evaluate(() => {
        const said: string[] = []
        Object.assign(window, { said })
        const region = document.querySelector('[data-testid=announcer]')
        if (region === null) return
        new MutationObserver(() => {
          if (region.textContent) said.push(region.textContent)
        }).observe(region, { childList: true, characterData: true, subtree: true })
      })
      await tab.ask(counting(100, 200))
      await tab.hasCompleted(1)
      await tab.page.waitForFunction(() => Reflect.get(window, 'said').length > 0)
      expect(await tab.page.evaluate(() => Reflect.get(window, 'said'))).toEqual([`Answer: ${numbers(100)}`])
    })
  })
}
