import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { PageDriver } from './page-driver.ts'

/** Answers that are made to harm the page or its reader; a part of page.test.ts, which has the browser. */
export function describeHostile(browser: () => Browser): void {
  describe('the page with a hostile answer', () => {
    let gateway: TestGateway
    beforeAll(async () => {
      gateway = await startTestGateway()
    })
    afterAll(() => gateway[Symbol.asyncDispose]())

    it.each([
      ['quotes', `${'>'.repeat(3_000)} the end`],
      ['lists', `${'- '.repeat(1_500)}the end`],
      ['cells', `${'|a'.repeat(600)}|\n${'|-'.repeat(600)}|\n${'the end\n'.repeat(300)}`],
    ])('[WEB-200] shows %s without an end as they were written', async (_, text) => {
      const context = await browser().newContext()
      const tab = await PageDriver.open(context, gateway.httpUrl)
      await tab.ask(`${text}\n\nA *last* word.\n[[answer=echo]]`)
      await tab.hasCompleted(1)
      const shown = await tab.answers.last().evaluate((answer) => ({
        text: answer.textContent,
        plain: answer.querySelector('.plain')?.textContent?.trim(),
        emphasis: answer.querySelector('em')?.textContent,
      }))
      expect(shown.plain).toBe(text.trim())
      expect(shown.emphasis).toBe('last')
      expect(tab.troubles).toEqual([])
      await context.close()
    })

    it('[WEB-201] says which host a link is of where its text says another, and turns no text around', async () => {
      const context = await browser().newContext()
      const tab = await PageDriver.open(context, gateway.httpUrl)
      const links = [
        '[x](https://bank.example@evil.test)',
        '[https://bank.example/](https://evil.test/)',
        '[**bank.example**](https://evil.test/)',
        '[\u202egnal.elpmaxe\u202c docs](https://example.com/)',
        '[docs](https://example.com/)',
      ]
      await tab.ask(`${links.join('\n\n')}\n[[answer=echo]]`)
      await tab.hasCompleted(1)
      const shown = await tab.answers
        .last()
        .evaluate((answer) => [...answer.querySelectorAll('a')].map((link) => [link.href, link.textContent]))
      expect(shown).toEqual([
        ['https://evil.test/', 'x (evil.test)'],
        ['https://evil.test/', 'https://bank.example/ (evil.test)'],
        ['https://evil.test/', 'bank.example (evil.test)'],
        ['https://example.com/', 'gnal.elpmaxe docs'],
        ['https://example.com/', 'docs'],
      ])
      expect(tab.troubles).toEqual([])
      await context.close()
    })
  })
}
