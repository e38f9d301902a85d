import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const css = readFileSync(resolve(import.meta.dirname, '../../web/style/theme.css'), 'utf8')
const themes = ['light', 'dark'] as const

/** Each text with the grounds that it stands on. */
const grounds: Readonly<Record<string, readonly string[]>> = {
  text: ['ground', 'ground-side', 'ground-raised', 'ground-soft', 'ground-hover', 'warn-ground', 'danger-ground'],
  'text-soft': ['ground', 'ground-side', 'ground-raised', 'ground-hover', 'code-ground'],
  accent: ['ground', 'ground-side', 'ground-raised', 'warn-ground', 'danger-ground'],
  danger: ['ground-side', 'danger-ground'],
  'on-accent': ['accent-ground', 'accent-hover'],
  'code-comment': ['code-ground'],
  'code-keyword': ['code-ground'],
  'code-string': ['code-ground'],
  'code-number': ['code-ground'],
}

describe.each(themes)('the %s theme', (theme) => {
  it('[WEB-26] has text that everyone can read (WCAG AA: 4.5 to 1)', () => {
    const weak = Object.entries(grounds).flatMap(([text, behind]) =>
      behind
        .filter((ground) => contrast(colour(text, theme), colour(ground, theme)) < 4.5)
        .map((on) => `${text} on ${on}`),
    )
    expect(weak).toEqual([])
  })
})

function colour(name: string, theme: (typeof themes)[number]): string {
  const pair = new RegExp(
    `(?:--${name}:|\\(${name}\\) \\{\\s+color:) (?:light-dark\\((#\\w{6}), (#\\w{6})\\)|(#\\w{6}))`,
  )
  const [, light, dark, both] = pair.exec(css) ?? []
  const found = both ?? (theme === 'light' ? light : dark)
  if (found === undefined) throw new Error(`theme.css has no colour ${name}`)
  return found
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** Relative luminance, as WCAG 2.2 defines it. */
function luminance(hex: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(hex.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}
