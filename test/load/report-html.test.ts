import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import fc from 'fast-check'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { linearAxis, logAxis, percentileAxis, spanAxis, timeAxis } from '../../load/tester/report/charts/axis.ts'
import { htmlReport } from '../../load/tester/report/html.ts'
import { markup } from '../../load/tester/report/markup.ts'
import { measures, type RunResult } from '../../load/tester/result.ts'
import { launchChromium } from '../web/chromium.ts'
import { emptyRun, measuredOf, sampleRun } from './sample-run.ts'

const hostile = `<script>alert(1)</script>"'&<img src=x onerror=alert(1)>`

/** A run all of whose texts come from somebody who means harm. */
function hostileRun(): RunResult {
  const run = sampleRun({ seconds: 10, faults: [{ check: hostile, count: 2, examples: [hostile, 'x'.repeat(5000)] }] })
  return {
    ...run,
    name: hostile,
    machine: { ...run.machine, cpu: hostile, node: hostile },
    options: { [hostile]: hostile },
    refusals: { [hostile]: 3 },
    failures: { [hostile]: 4 },
    slos: [{ text: hostile, reached: 1, wanted: 1, isMet: true }],
    driver: { ...run.driver, isLimit: true, why: hostile },
  }
}

const few: Readonly<Record<string, RunResult>> = {
  nothing: emptyRun(),
  'empty histograms': { ...emptyRun(), measures: { ttft: measuredOf([]), gap: measuredOf([]) } },
  'one value': { ...sampleRun({ seconds: 1 }), measures: { ttft: measuredOf([120]), gap: measuredOf([0]) } },
  'one value many times': { ...emptyRun(), measures: { e2e: measuredOf(Array.from({ length: 500 }, () => 7)) } },
  'values far apart': { ...emptyRun(), measures: { resume: measuredOf([0, 0.001, 3_600_000]) } },
}

describe('the page of a run', () => {
  test('[REPORT-5] shows each measure with its formula, and what the run was', () => {
    const html = htmlReport(sampleRun({ seconds: 20, driver: { isLimit: true, why: 'worker 2 was at 99 %' } }))
    for (const { name, formula } of Object.values(measures))
      expect(html).toContain(markup`${name} <small>= ${formula}`.text)
    expect(html).toContain('The tester itself was the limit, not the server')
    expect(html).toContain('Sample CPU 3.0 GHz')
  })

  test('[REPORT-5] shows wrong answers before anything else', () => {
    const html = htmlReport(sampleRun({ seconds: 5, faults: [{ check: 'order', count: 2, examples: ['turn 7'] }] }))
    expect(html.indexOf('2 wrong answers')).toBeGreaterThan(0)
    expect(html.indexOf('2 wrong answers')).toBeLessThan(html.indexOf('Goodput'))
  })

  test('[REPORT-6] has both runs in its charts, and ratio, difference and verdict of each figure', () => {
    const before = sampleRun({ seconds: 20, name: 'main', seed: 2 })
    const html = htmlReport(sampleRun({ seconds: 20, name: 'branch', slowness: 2 }), before)
    expect(html.match(/class="line c\d before" d="M/g)?.length).toBeGreaterThan(20)
    expect(html).toMatch(/×[12]\.\d\d<br><small>\+[\d.]+ m?s<\/small><br><b class="bad">▲ worse/)
    expect(html).toContain('A change of less than 5 % counts as none')
    expect(htmlReport(before)).not.toContain('before" d=')
  })

  test.each(Object.entries(few))('[REPORT-10] holds for %s', (_, run) => {
    for (const html of [
      htmlReport(run),
      htmlReport(run, sampleRun({ seconds: 5 })),
      htmlReport(sampleRun({ seconds: 5 }), run),
    ])
      expect(html).not.toMatch(/NaN|Infinity|undefined/)
  })

  test('[REPORT-10] of hours is as small as one of minutes, and keeps the worst', () => {
    const run = sampleRun({ seconds: 4000, questionsPerSecond: 1 })
    const points = run.series.points.map((point, index) => (index === 2345 ? { ...point, ttftP99Ms: 77_700 } : point))
    const html = htmlReport({ ...run, series: { ...run.series, points } })
    const lengths = [...html.matchAll(/ d="([^"]*)"/g)].map(([, path = '']) => path.split('L').length)
    expect(Math.max(...lengths)).toBeLessThanOrEqual(300)
    expect(html).toContain('p99: at most 77.7 s at 39:')
  })

  test('[REPORT-9] has no text from outside as markup', () => {
    const html = htmlReport(hostileRun(), hostileRun())
    expect(html).not.toMatch(/<script|<img/)
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
  })
})

describe('axes', () => {
  const value = fc.double({ noDefaultInfinity: true, noNaN: true, min: 0, max: 1e12 })

  test('[REPORT-10] give every value a place between their ends, and few labels', () => {
    fc.assert(
      fc.property(value, value, value, (one, other, at) => {
        const [min, max] = one < other ? [one, other] : [other, one]
        const axes = [linearAxis(max, String), spanAxis(min, max, String), timeAxis(max, String), percentileAxis(max)]
        for (const { place, ticks } of [...axes, logAxis(min + 0.001, max + 0.01, String)]) {
          expect(place(at)).toBeGreaterThanOrEqual(0)
          expect(place(at)).toBeLessThanOrEqual(1)
          expect(ticks.length).toBeLessThan(20)
          expect(ticks.every(({ value: tick }) => Number.isFinite(tick))).toBe(true)
        }
      }),
    )
  })

  test('[REPORT-10] are labelled with round numbers', () => {
    const labels = (axis: { ticks: readonly { label: string }[] }) => axis.ticks.map(({ label }) => label)
    expect(labels(linearAxis(870, String))).toEqual(['0', '250', '500', '750', '1000'])
    expect(labels(logAxis(3, 180, String))).toEqual(['3', '10', '30', '100'])
    expect(labels(percentileAxis(10_000))).toEqual(['0 %', '50 %', '90 %', '99 %', '99.9 %', '99.99 %'])
    expect(labels(timeAxis(300_000, (ms) => `${ms / 1000}`))).toEqual(['0', '60', '120', '180', '240', '300'])
  })
})

describe('the page in a browser', () => {
  let browser: Browser
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'sluice-report-'))
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser.close()
    await rm(folder, { recursive: true })
  })

  const before = sampleRun({ seconds: 60, name: 'before', seed: 2 })
  const pages: Readonly<Record<string, string>> = {
    run: htmlReport(sampleRun({ seconds: 60 })),
    comparison: htmlReport(sampleRun({ seconds: 60, slowness: 1.3 }), before),
    hostile: htmlReport(hostileRun(), before),
    nothing: htmlReport(emptyRun()),
  }

  const cases = Object.keys(pages).flatMap((name) => [
    { name, width: 390, colorScheme: 'dark' as const },
    { name, width: 1280, colorScheme: 'light' as const },
  ])

  test.each(cases)('[REPORT-11] $name at $width pixels, $colorScheme', async ({ name, width, colorScheme }) => {
    const file = path.join(folder, `${name}-${width}.html`)
    await writeFile(file, pages[name] ?? '')
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme })
    const page = await context.newPage()
    const troubles: string[] = []
    const requests: string[] = []
    page.on('console', (message) => troubles.push(message.text()))
    page.on('pageerror', (error) => troubles.push(String(error)))
    page.on('dialog', (dialog) => troubles.push(dialog.message()))
    page.on('request', (request) => requests.push(request.url()))
    const { href } = pathToFileURL(file)
    await page.goto(href)
    const seen = await page.evaluate(() => ({
      width: document.documentElement.scrollWidth,
      charts: [...document.querySelectorAll('figure > svg')].map((svg) => svg.getBoundingClientRect().width),
      unnamed: document.querySelectorAll('figure > svg:not(:has(> title):has(> desc))').length,
      scripts: document.scripts.length,
      ground: getComputedStyle(document.body).backgroundColor,
    }))
    await context.close()
    expect(troubles).toEqual([])
    expect(requests.filter((url) => url !== href && !url.startsWith('data:'))).toEqual([])
    expect(seen).toMatchObject({ width, unnamed: 0, scripts: 0 })
    expect(seen.charts).toHaveLength(18)
    expect(Math.min(...seen.charts)).toBeGreaterThan(300)
    expect(seen.ground).toBe(colorScheme === 'dark' ? 'rgb(23, 25, 27)' : 'rgb(252, 251, 249)')
  })
})
