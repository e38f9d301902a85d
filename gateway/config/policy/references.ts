/** What must hold between the settings of `sluice.yaml`, and between them and the environment. */

import { nearestName } from '../nearest.ts'
import { isLoopbackHost, readHttpUrl } from '../network.ts'
import type { VariableName } from '../variables.ts'
import { readPattern } from './pattern.ts'
import type { Path, Problem } from './problem.ts'
import { connectionProblems, requestProblems } from './request-problems.ts'
import type { PolicyFile, PrivacyInFile, ScopesInFile } from './schema.ts'

export interface Findings {
  readonly problems: readonly Problem[]
  /** What may be meant so. */
  readonly warnings: readonly Problem[]
}

export type IsSet = (name: VariableName) => boolean

export function findReferences(file: PolicyFile, isSet: IsSet): Findings {
  return {
    problems: [
      ...variableProblems(file, isSet),
      ...sectionProblems(file),
      ...aliasProblems(file),
      ...defaultProblems(file),
      ...targetProblems(file),
      ...requestProblems(file),
      ...connectionProblems(file),
      ...timeProblems(file),
      ...priceProblems(file),
      ...privaciesOf(file).flatMap(([path, privacy]) => privacyProblems(path, privacy)),
    ],
    warnings: [...unusedTargets(file), ...plainKeys(file), ...unlimitedAnswers(file), ...unusedVariables(file, isSet)],
  }
}

const problem = (path: Path, words: string): Problem => ({ path, words })

/** A setting has one place. */
function variableProblems(file: PolicyFile, isSet: IsSet): Problem[] {
  const both: readonly (readonly [VariableName, Path, unknown])[] = [
    ['OPENAI_BASE_URL', ['targets'], file.targets],
    ['SLUICE_MODEL', ['models'], file.models],
    ['SLUICE_FIRST_TOKEN_TIMEOUT_MS', ['retry', 'firstContentMs'], file.retry.firstContentMs],
    ['SLUICE_IDLE_TIMEOUT_MS', ['retry', 'silenceMs'], file.retry.silenceMs],
    ['SLUICE_ANSWER_TOKENS', ['limits', 'answerTokens'], file.limits.answerTokens],
    ['SLUICE_MESSAGES_PER_MINUTE', ['limits', 'subject', 'messagesPerMinute'], file.limits.subject?.messagesPerMinute],
  ]
  return both
    .filter(([name, , value]) => value !== undefined && isSet(name))
    .map(([name, path]) => problem(path, `is here and in ${name} too; unset that, or remove this`))
}

function sectionProblems({ models, targets, defaultModel }: PolicyFile): Problem[] {
  if (models !== undefined && targets === undefined)
    return [problem(['models'], 'is there without targets; add targets')]
  if (targets !== undefined && models === undefined)
    return [problem(['targets'], 'is there without models; add models')]
  if (models === undefined && defaultModel !== undefined)
    return [problem(['defaultModel'], 'is there without models; add models, or remove it')]
  if (models !== undefined && Object.keys(models).length === 0) return [problem(['models'], 'is empty; add a model')]
  return []
}

function aliasProblems({ models = {}, targets }: PolicyFile): Problem[] {
  if (targets === undefined) return []
  const known = Object.keys(targets)
  return Object.entries(models).flatMap(([name, alias]) => {
    const named = alias.targets.map(({ target }) => target)
    return named.flatMap((target, index) => {
      const path = ['models', name, 'targets', index, 'target']
      if (!known.includes(target)) return [problem(path, `names no target${meantWords(target, known)}`)]
      return named.indexOf(target) < index ? [problem(path, 'names a target for the second time; remove one')] : []
    })
  })
}

function defaultProblems({ models, defaultModel }: PolicyFile): Problem[] {
  const known = Object.keys(models ?? {})
  if (known.length === 0) return []
  if (defaultModel === undefined)
    return known.length === 1
      ? []
      : [problem(['defaultModel'], 'is missing; set the model that answers when none is named')]
  return known.includes(defaultModel)
    ? []
    : [problem(['defaultModel'], `names no model${meantWords(defaultModel, known)}`)]
}

/** The name meant is one that stands in the file as a key; the name that is there is not said. */
function meantWords(name: string, known: readonly string[]): string {
  const meant = nearestName(name, known, Math.ceil(name.length / 3))
  return meant === undefined ? '; set one that is there, or add it' : `; did you mean ${meant}?`
}

function targetProblems({ targets = {} }: PolicyFile): Problem[] {
  return Object.entries(targets).flatMap(([name, { baseUrl, keys }]) => {
    const url = readHttpUrl(baseUrl)
    if (url === undefined) return [problem(['targets', name, 'baseUrl'], urlWords)]
    if (keys !== undefined || isLoopbackHost(url.hostname)) return []
    return [
      problem(['targets', name, 'keys'], 'is missing; add a key, or `keys: []` for an endpoint that asks for none'),
    ]
  })
}

const urlWords = 'is no URL; set an http(s) URL without user name and password'

function timeProblems({ retry: { totalMs, firstContentMs, baseMs, maxMs } }: PolicyFile): Problem[] {
  const problems: Problem[] = []
  if (totalMs !== undefined && firstContentMs !== undefined && firstContentMs > totalMs)
    problems.push(problem(['retry', 'firstContentMs'], 'is longer than totalMs; set it to at most that'))
  if (baseMs > maxMs) problems.push(problem(['retry', 'baseMs'], 'is longer than maxMs; set it to at most that'))
  return problems
}

/** A budget that nobody can count would be none, without a word. */
function priceProblems(file: PolicyFile): Problem[] {
  const budget = budgetIn(file)
  if (budget === undefined) return []
  if (file.targets === undefined)
    return [
      problem(budget, 'is a budget, but the target of the environment has no price; write models and targets here'),
    ]
  return Object.entries(file.targets)
    .filter(([, { price }]) => price === undefined)
    .map(([name]) =>
      problem(['targets', name], 'has no price, and there is a budget; set price, with "0" where nothing is paid'),
    )
}

function budgetIn({ limits }: PolicyFile): Path | undefined {
  const all: readonly (readonly [Path, ScopesInFile])[] = [
    [['limits'], limits],
    ...Object.entries(limits.tenants).map(([name, scopes]) => [['limits', 'tenants', name], scopes] as const),
  ]
  for (const [path, scopes] of all) {
    for (const scope of ['subject', 'project', 'tenant'] as const) {
      for (const period of ['perDay', 'perMonth'] as const) {
        if (Number(scopes[scope]?.[period] ?? 0) > 0) return [...path, scope, period]
      }
    }
  }
  return undefined
}

/** Everybody's, and each tenant's, with its place. */
export function privaciesOf({ privacy }: PolicyFile): readonly (readonly [Path, PrivacyInFile])[] {
  const tenants = Object.entries(privacy.tenants).map(([name, own]) => [['privacy', 'tenants', name], own] as const)
  return [[['privacy'], privacy], ...tenants]
}

function privacyProblems(path: Path, { custom = [], filter }: PrivacyInFile): Problem[] {
  const names = custom.map(({ name }) => name)
  const problems = custom.flatMap(({ name, pattern }, index) => {
    const read = readPattern(pattern)
    const wrong = read.kind === 'wrong' ? [problem([...path, 'custom', index, 'pattern'], read.words)] : []
    const isTaken = names.indexOf(name) < index || ['email', 'phone', 'card', 'iban', 'ip'].includes(name)
    return isTaken ? [...wrong, problem([...path, 'custom', index, 'name'], 'is taken already; set another')] : wrong
  })
  const url = filter?.moderation?.url
  const isBad = url !== undefined && readHttpUrl(url) === undefined
  return isBad ? [...problems, problem([...path, 'filter', 'moderation', 'url'], urlWords)] : problems
}

function unusedTargets({ models = {}, targets = {} }: PolicyFile): Problem[] {
  const used = new Set(Object.values(models).flatMap((alias) => alias.targets.map(({ target }) => target)))
  return Object.keys(targets)
    .filter((name) => !used.has(name))
    .map((name) => problem(['targets', name], 'is used by no model'))
}

function plainKeys({ targets = {} }: PolicyFile): Problem[] {
  return Object.entries(targets)
    .filter(([, { baseUrl, keys = [] }]) => {
      const url = readHttpUrl(baseUrl)
      return keys.length > 0 && url?.protocol === 'http:' && !isLoopbackHost(url.hostname)
    })
    .map(([name]) => problem(['targets', name, 'baseUrl'], 'is plain http, so that the key can be read on the way'))
}

/** What is booked for an answer at most is what was asked for at most. */
function unlimitedAnswers(file: PolicyFile): Problem[] {
  if (budgetIn(file) === undefined) return []
  return Object.entries(file.targets ?? {})
    .filter(([, { request }]) => request.tokenLimit === 'none')
    .map(([name]) =>
      problem(
        ['targets', name, 'request', 'tokenLimit'],
        'is none: an answer can be longer than what budgets reserve for it',
      ),
    )
}

function unusedVariables({ targets }: PolicyFile, isSet: IsSet): Problem[] {
  if (targets === undefined || !isSet('OPENAI_API_KEY')) return []
  const isUsed = Object.values(targets).some(({ keys = [] }) => keys.some(({ env }) => env === 'OPENAI_API_KEY'))
  return isUsed ? [] : [problem(['targets'], 'makes OPENAI_API_KEY, which is set, of no use: no target names it')]
}
