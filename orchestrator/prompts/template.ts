/**
 * One version's text: Liquid without a file system, and with a few variables that are known by name.
 *
 * Only what an operator or a signed token says is a variable, or what has the shape of an id. A session's metadata and its
 * subject are none: the one is a client's own words, which have no place among the operator's, the other is nobody's
 * business at a provider.
 */
import { Liquid, type Template as Parsed } from 'liquidjs'
import { renderCharacters, renderMs, templateCharacters, templateTagsMax } from './limits.ts'

/** What there is of a session and its turn. What is absent is `nil` in a template: empty, and false in an `if`. */
export interface PromptValues {
  /** UTC, YYYY-MM-DD. */
  readonly date: string
  readonly model: string
  readonly tenant: string
  readonly project?: string
  readonly channel?: string
}

export const variableNames = ['date', 'model', 'tenant', 'project', 'channel'] as const satisfies (keyof PromptValues)[]

export interface Template {
  readonly text: string
  /** Characters in front of the first variable or tag: the same for everybody, so that a provider can cache them. */
  readonly staticLength: number
  /** Throws when it takes too long or makes too much. */
  render(values: PromptValues): string
}

const engine = new Liquid({
  strictVariables: true,
  strictFilters: true,
  ownPropertyOnly: true,
  // Another template cannot be included: there are none.
  templates: {},
  parseLimit: templateCharacters,
  renderLimit: renderMs,
  memoryLimit: renderCharacters,
  timezoneOffset: 0,
})

/** Throws, saying what is wrong: no Liquid, an unknown filter, an unknown variable, or a text that fails when it is filled in. */
export function compileTemplate(source: string): Template {
  const text = source.trim()
  if (tagsIn(text) > templateTagsMax)
    throw new Error(`above ${templateTagsMax} variables and tags; write plain text, or make several prompts of it`)
  const parsed = parse(text)
  const unknown = unknownIn(parsed)
  if (unknown.length > 0)
    throw new Error(`unknown variable {{ ${unknown.join(', ')} }}; there are ${variableNames.join(', ')}`)
  const render = (values: PromptValues) => String(engine.renderSync(parsed, scopeOf(values)))
  // What only shows when it is filled in fails here, not in somebody's turn: with all that a session may have, and with the least.
  render({ date: '2026-01-01', model: 'model', tenant: 'tenant' })
  render({ date: '2026-01-01', model: 'model', tenant: 'tenant', project: 'project', channel: 'channel' })
  return { text, staticLength: staticLengthOf(text, parsed), render }
}

/** The engine trips over some texts that end too early, such as a backslash in a quote that nothing closes. */
function parse(text: string): Parsed[] {
  try {
    return engine.parse(text)
  } catch (cause) {
    if (!(cause instanceof TypeError || cause instanceof RangeError)) throw cause
    throw new Error('the text is no Liquid: see whether its quotes and tags are closed', { cause })
  }
}

/** Those in comments and raw text are counted too. */
function tagsIn(text: string): number {
  return text.match(/\{[{%]/g)?.length ?? 0
}

/** Also in branches that no value leads to. A variable has no properties: `model.name` is as unknown as `name`. */
function unknownIn(parsed: Parsed[]): readonly string[] {
  const paths = engine.globalVariableSegmentsSync(parsed).map((segments) => segments.join('.'))
  return paths.filter((path) => !variableNames.some((name) => name === path))
}

/** Whatever is not plain text begins with two of these. */
const filledIn = /^\{[{%]/

function staticLengthOf(text: string, parsed: readonly Parsed[]): number {
  return parsed.find(({ token }) => filledIn.test(token.getText()))?.token.begin ?? text.length
}

function scopeOf({ date, model, tenant, project, channel }: PromptValues) {
  return { date, model, tenant, project: project ?? null, channel: channel ?? null }
}
