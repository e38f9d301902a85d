import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ModelServer, startModelServer } from '../../load/model-server/server.ts'
import type { Policy } from '../../orchestrator/policy.ts'
import { startWireServer, type WireServer } from '../orchestrator/wire-server.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { policyOf, targetAt } from '../support/policy.ts'
import { WireClient } from '../support/wire.ts'
import { counting } from './counting.ts'
import { PageDriver } from './page-driver.ts'

/** Where a picture of each note goes, to be looked at; absent: none is taken. */
const pictures = process.env.SLUICE_TEST_PICTURES

const head = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n'
const event = (choice: object) => `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, ...choice }] })}\n\n`
const content = (text: string) => event({ delta: { content: text }, finish_reason: null })
const finish = (reason: string) => event({ delta: {}, finish_reason: reason })
const refused = (status: number, code: string) => {
  const body = JSON.stringify({ error: { message: 'x', code } })
  return `HTTP/1.1 ${status} No\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`
}
const tool = event({ delta: { tool_calls: [{ index: 0, id: 't', function: { name: 'f', arguments: '{}' } }] } })
const half = 'The first half of'

interface Case {
  readonly pieces: readonly string[]
  /** Under the answer. */
  readonly says: string
  readonly heard?: string
}

const empty = 'The model gave no answer. Ask again, or put the question in other words.'
const cases: Readonly<Record<string, Case>> = {
  empty: { pieces: [head, finish('stop')], says: empty, heard: empty },
  blanks: { pieces: [head, content(' \n\n'), finish('stop')], says: empty, heard: empty },
  'empty at its length': {
    pieces: [head, finish('length')],
    says: 'The model gave no answer: it reached its greatest length before it wrote one. Ask for less, or ask again.',
  },
  'cut at its length': {
    pieces: [head, content(half), finish('length')],
    says: 'The answer reached its greatest length and ends here. Ask for the rest.',
    heard: `Answer: ${half} The answer reached its greatest length and ends here. Ask for the rest.`,
  },
  filtered: {
    pieces: [head, content(half), finish('content_filter')],
    says: 'A content filter stopped the answer here. Put the question in other words.',
    heard: `Answer: ${half} A content filter stopped the answer here. Put the question in other words.`,
  },
  'filtered without text': {
    pieces: [head, finish('content_filter')],
    says: 'A content filter held the answer back. Put the question in other words.',
  },
  'refused by a filter': {
    pieces: [refused(400, 'content_filter')],
    says: 'The answer was held back by a content filter.',
  },
  'too large': { pieces: [refused(400, 'context_length_exceeded')], says: 'This message is too long.' },
  broken: {
    pieces: [head, content(half), 'data: {"error":{"message":"x","code":500}}\n\n'],
    says: 'The model failed to answer. What it had written stays.',
    heard: `The answer failed. What came of it: ${half} The model failed to answer.`,
  },
  'a tool call': {
    pieces: [head, tool, finish('tool_calls')],
    says: 'The model asked for a tool, and none is offered here.',
  },
}

const offline = 'Nobody is here today.'

function scripted(url: string): (policy: Policy) => Policy {
  return (policy) => {
    const { targets, retry, ...rest } = policyOf([targetAt('test', url)])
    const models = new Map([['sluice-demo', { targets: [{ target: 'test', tier: 0, weight: 1 }], offline }]])
    return { ...policy, ...rest, targets, models, retry: { ...retry, totalMs: 2_000 } }
  }
}

/** How answers end on the page; a part of page.test.ts, which has the browser. */
export function describeEnds(browser: () => Browser): void {
  describe.each([
    ['a wide window', { width: 1280, height: 800 }],
    ['a phone', { width: 390, height: 780 }],
  ])('the end of an answer on %s', (name, viewport) => {
    let provider: WireServer
    let gateway: TestGateway
    let model: ModelServer
    let context: BrowserContext
    beforeAll(async () => {
      model = await startModelServer()
      provider = await startWireServer()
      gateway = await startTestGateway({ policy: scripted(provider.url) })
    })
    afterAll(async () => {
      await gateway[Symbol.asyncDispose]()
      await provider[Symbol.asyncDispose]()
      await model.close()
    })
    beforeEach(async () => {
      context = await browser().newContext({ viewport, reducedMotion: 'reduce' })
    })
    afterEach(() => context.close())

    const look = async (tab: PageDriver, what: string) => {
      const isCut = await tab.page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
      expect(isCut).toBe(false)
      if (pictures === undefined) return
      for (const colorScheme of ['light', 'dark'] as const) {
        await tab.page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
        await tab.page.screenshot({ path: `${pictures}/${what}-${name}-${colorScheme}.png`.replaceAll(' ', '-') })
      }
    }

    it.each(Object.entries(cases))('[WEB-360] says why it is not whole: %s', async (what, { pieces, says, heard }) => {
      provider.answer(pieces)
      const tab = await PageDriver.open(context, gateway.httpUrl)
      await tab.ask('A question?')
      await tab.turns.last().getByText(says).waitFor()
      if (heard !== undefined) await tab.page.getByTestId('announcer').getByText(heard, { exact: true }).waitFor()
      await look(tab, what)
    })

    it('[WEB-360] says whose text it is when no model could answer', async () => {
      provider.answer([refused(503, 'overloaded')])
      const tab = await PageDriver.open(context, gateway.httpUrl)
      await tab.ask('A question?')
      await tab.turns.last().getByText(offline).waitFor()
      await tab.page.getByTestId('ending-note').getByText('This text comes from the operator').waitFor()
      await look(tab, 'offline')
    })

    it('[WEB-361] keeps the text when the node that had the conversation in its memory is killed', {
      timeout: 60_000,
    }, async () => {
      const env = { OPENAI_BASE_URL: model.url, SLUICE_MODEL: 'sluice-demo' }
      await using first = await startGatewayProcess(env)
      const tab = await PageDriver.open(context, first.httpUrl)
      await tab.ask(counting(100_000, 100))
      await tab.longerThan(200)
      await first.kill()
      const shown = await tab.lastAnswer()
      await using _second = await startGatewayProcess({ ...env, PORT: String(first.port) })
      await tab.page.getByTestId('ending-note').getByText('The server lost the conversation while').waitFor()
      await tab.page.getByTestId('ending').waitFor()
      expect(await tab.button('Good answer').count()).toBe(0)
      expect((await tab.lastAnswer()).startsWith(shown.trimEnd())).toBe(true)
      expect(shown.length).toBeGreaterThan(200)
      await look(tab, 'lost')
    })

    it('[WEB-362] keeps the text when the conversation is deleted in mid-answer', async () => {
      await using own = await startTestGateway()
      const tab = await PageDriver.open(context, own.httpUrl)
      await tab.ask(counting(100_000, 100))
      await tab.longerThan(200)
      const session = await tab.session()
      const subject = await tab.page.evaluate(() => localStorage.getItem('sluice.subject') ?? '')
      const shown = await tab.lastAnswer()
      const client = await WireClient.connect(own.url, await own.token(subject))
      await client.ask({ type: 'session.delete', session }, 'session.deleted')
      client.close()
      await tab.page.getByTestId('ending-note').getByText('The conversation was deleted while').waitFor()
      expect((await tab.lastAnswer()).startsWith(shown.trimEnd())).toBe(true)
      await look(tab, 'deleted')
    })
  })
}
