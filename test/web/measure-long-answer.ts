// Reports, and asserts nothing: how long the page's tasks are while an answer of 50 KB arrives at 200 tokens a second.
// The goal is no task over 50 ms, which is what a browser calls a long one. Run it on a quiet machine:
//
//   node test/web/measure-long-answer.ts [SHAPE]
//
// Four shapes, each the worst case of another part of the renderer: mixed Markdown, one code block that stays open, one
// list that stays open, and one paragraph without a single line's end.
import { startTestGateway } from '../support/gateway.ts'
import { buildPage } from './built-page.ts'
import { launchChromium } from './chromium.ts'
import { PageDriver } from './page-driver.ts'

const answerBytes = 50 * 1024
const tokensPerSecond = 200
/** How long one shape may take, in milliseconds. */
const deadlineMs = 180_000

function filled(piece: (index: number) => string): string {
  let text = ''
  for (let index = 0; text.length < answerBytes; index++) text += piece(index)
  return text
}

const mixed = (index: number) =>
  [
    `## Part ${index}`,
    `A paragraph with **strong**, *emphasis*, \`code\` and a [link](https://example.com/${index}). `.repeat(4),
    '- one\n- two **bold**\n- three',
    `\`\`\`ts\nexport function part${index}(value: number): number {\n  return value * ${index} // a comment\n}\n\`\`\``,
    '| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |',
    '',
  ].join('\n\n')

const shapes: Readonly<Record<string, string>> = {
  mixed: filled(mixed),
  'open code': `\`\`\`ts\n${filled((index) => `const value${index} = compute(${index}, "text") // why\n`)}`,
  'open list': filled((index) => `- item ${index} with **some** words and \`code\` in it\n`),
  'one paragraph': filled((index) => `word${index} **bold** and *soft* `),
}

await buildPage()
await using gateway = await startTestGateway({ env: { SLUICE_ANSWER_TOKENS: '100000' } })
const browser = await launchChromium()
try {
  const wanted = process.argv[2]
  for (const [name, text] of Object.entries(shapes).filter(([name]) => wanted === undefined || name === wanted))
    console.log(JSON.stringify(await measure(name, text)))
} finally {
  await browser.close()
}

async function measure(name: string, text: string): Promise<Record<string, unknown>> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
  const tab = await PageDriver.open(context, gateway.httpUrl)
  // Chromium types 50 KB of lines for ten seconds; set at once, they take none.
  await tab.composer.evaluate((field, question) => {
    Reflect.set(field, 'value', question)
    field.dispatchEvent(new Event('input', { bubbles: true }))
  }, `${text}\n[[answer=echo ttft=2000 tps=${tokensPerSecond}]]`)
  await tab.composer.press('Enter')
  // What is measured is the answer, not the typing of a question of 50 KB.
  await tab.lastIs('streaming')
  await tab.page.evaluate(observeTasks)
  const beganMs = performance.now()
  await tab.page.locator('[data-state=completed]').waitFor({ timeout: deadlineMs })
  const seconds = (performance.now() - beganMs) / 1000
  const tasks = await tab.page.evaluate(() => ({
    longTasksMs: Reflect.get(window, 'longTasksMs'),
    longestFrameGapMs: Math.round(Math.max(...Reflect.get(window, 'frameGapsMs'))),
    shownLength: document.querySelector('[data-testid=answer]')?.textContent?.length,
    elements: document.querySelectorAll('[data-testid=answer] *').length,
  }))
  await context.close()
  return { name, bytes: text.length, seconds: Math.round(seconds), ...tasks }
}

function observeTasks(): void {
  const longTasksMs: unknown[] = []
  const beganMs = performance.now()
  const frameGapsMs: number[] = []
  Object.assign(window, { longTasksMs, frameGapsMs })
  new PerformanceObserver((list) => {
    for (const { duration, startTime } of list.getEntries())
      longTasksMs.push([Math.round(duration), Math.round(startTime - beganMs)])
  }).observe({ entryTypes: ['longtask'] })
  let lastMs = performance.now()
  const frame = (nowMs: number) => {
    frameGapsMs.push(nowMs - lastMs)
    lastMs = nowMs
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
}
