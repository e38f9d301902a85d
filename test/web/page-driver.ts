import type { BrowserContext, Locator, Page } from 'playwright-core'
import type { TestGateway } from '../support/gateway.ts'
import { WireClient } from '../support/wire.ts'

export type TurnState = 'unsent' | 'sending' | 'pending' | 'streaming' | 'completed' | 'cancelled' | 'failed'

const deadlineMs = 15_000

/** One tab with the chat page, in the words of its user. What goes wrong in it is kept in `troubles`. */
export class PageDriver {
  readonly page: Page
  readonly troubles: string[] = []
  /** Addresses that the page asked for on other hosts. */
  readonly foreignRequests: string[] = []

  constructor(page: Page, origin: string) {
    this.page = page
    page.setDefaultTimeout(deadlineMs)
    page.on('pageerror', (error) => this.troubles.push(String(error)))
    page.on('console', (message) => {
      // A WebSocket that cannot be opened is logged by the browser itself.
      const isNetwork = message.text().includes('WebSocket connection to')
      if (message.type() === 'error' && !isNetwork) this.troubles.push(message.text())
    })
    page.on('request', (request) => {
      const isOwn = request.url().startsWith(origin) || request.url().startsWith('data:')
      if (!isOwn) this.foreignRequests.push(request.url())
    })
  }

  static async open(context: BrowserContext, url: string): Promise<PageDriver> {
    const driver = new PageDriver(await context.newPage(), new URL(url).origin)
    await driver.page.goto(url)
    await driver.composer.waitFor()
    return driver
  }

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' })
  }

  get turns(): Locator {
    return this.page.getByTestId('turn')
  }

  get answers(): Locator {
    return this.page.getByTestId('answer')
  }

  get notice(): Locator {
    return this.page.getByTestId('notice')
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name })
  }

  async ask(content: string): Promise<void> {
    await this.composer.fill(content)
    await this.composer.press('Enter')
  }

  /** Waits until the last turn is in this state. */
  async lastIs(state: TurnState): Promise<void> {
    await this.turns
      .last()
      .and(this.page.locator(`[data-state="${state}"]`))
      .waitFor()
  }

  async stop(): Promise<void> {
    await this.button('Stop').click()
    await this.lastIs('cancelled')
  }

  /** Waits until the conversation has so many turns, the last of them ended well. */
  async hasCompleted(count: number): Promise<void> {
    await this.page.waitForFunction((wanted) => {
      const turns = [...document.querySelectorAll<HTMLElement>('[data-testid=turn]')]
      return turns.length === wanted && turns.at(-1)?.dataset.state === 'completed'
    }, count)
  }

  /** Waits until the last answer is longer than `length`; its length then. */
  async longerThan(length: number): Promise<number> {
    const grown = await this.page.waitForFunction((before) => {
      const answers = document.querySelectorAll('[data-testid=answer]')
      const now = answers[answers.length - 1]?.textContent?.length ?? 0
      return now > before && now
    }, length)
    return Number(await grown.jsonValue())
  }

  async lastAnswer(): Promise<string> {
    return (await this.answers.last().textContent()) ?? ''
  }

  /** The session that the page shows, when it has one. */
  async session(): Promise<string> {
    await this.page.waitForFunction(() => location.hash.length > 1)
    return new URL(this.page.url()).hash.slice(1)
  }

  /** The text of every answer in the gateway's log, in order. */
  async serverAnswers(gateway: TestGateway): Promise<readonly string[]> {
    const session = await this.session()
    const subject = await this.page.evaluate(() => localStorage.getItem('sluice.subject') ?? '')
    const client = await WireClient.connect(gateway.url, await gateway.token(subject))
    const opened = await client.ask({ type: 'session.open', session }, 'session.opened')
    client.close()
    return opened.records.flatMap((record) => ('text' in record && record.text !== undefined ? [record.text] : []))
  }
}
