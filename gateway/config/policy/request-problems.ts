/** What must hold of a target's `request` and `connection` in `sluice.yaml`. */
import { ownParameters } from '../../../orchestrator/providers/request-body.ts'
import { readHttpUrl } from '../network.ts'
import { proxyWords, readProxy } from '../proxies.ts'
import type { Path, Problem } from './problem.ts'
import type { PolicyFile } from './schema.ts'

const problem = (path: Path, words: string): Problem => ({ path, words })

/** Headers that node:http or the gateway writes. */
const ownHeaders: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'transfer-encoding',
  'connection',
  'proxy-authorization',
  'accept',
  'accept-encoding',
  'expect',
])

export function requestProblems({ targets = {} }: PolicyFile): Problem[] {
  return Object.entries(targets).flatMap(([name, { keys = [], request, answerTokens, contextTokens }]) => {
    const path = ['targets', name, 'request']
    const keyHeader = request.keyHeader.toLowerCase()
    const headers = Object.keys(request.headers).map((header) => [header, header.toLowerCase()] as const)
    const ownWords = 'is set by the gateway; remove it, or use the setting for it'
    const problems = [
      ...(ownHeaders.has(keyHeader) ? [problem([...path, 'keyHeader'], ownWords)] : []),
      ...headers.flatMap(([header, lower], index): Problem[] => {
        const at = [...path, 'headers', header]
        if (ownHeaders.has(lower)) return [problem(at, ownWords)]
        if (headers.findIndex(([, other]) => other === lower) < index)
          return [problem(at, 'is there twice, with other capitals; remove one')]
        if (lower === keyHeader && keys.length > 0) return [problem(at, 'has the key of `keys` already; remove one')]
        return []
      }),
      ...Object.keys(request.parameters)
        .filter((parameter) => ownParameters.has(parameter))
        .map((parameter) => problem([...path, 'parameters', parameter], ownWords)),
      ...request.promptMayChange.flatMap((parameter, index) =>
        ownParameters.has(parameter) ? [problem([...path, 'promptMayChange', index], ownWords)] : [],
      ),
    ]
    if (contextTokens === undefined || answerTokens === undefined || answerTokens < contextTokens) return problems
    return [
      ...problems,
      problem(['targets', name, 'answerTokens'], 'is not less than contextTokens; set it below that'),
    ]
  })
}

export function connectionProblems({ targets = {} }: PolicyFile): Problem[] {
  return Object.entries(targets).flatMap(([name, { baseUrl, connection }]) => {
    const { proxy, certFile, keyFile } = connection
    const at = (setting: string) => ['targets', name, 'connection', setting]
    const problems: Problem[] = []
    if (typeof proxy === 'string' && proxy !== 'none') {
      const url = readProxy(proxy)
      if (url === undefined) problems.push(problem(at('proxy'), proxyWords))
      else if (url.username !== '' || url.password !== '')
        problems.push(
          problem(at('proxy'), 'has a user name or password; put the whole URL into a variable or a file: { env: … }'),
        )
    }
    if (certFile !== undefined && keyFile === undefined)
      problems.push(problem(at('certFile'), 'is there without keyFile; add it'))
    if (keyFile !== undefined && certFile === undefined)
      problems.push(problem(at('keyFile'), 'is there without certFile; add it'))
    const isPlain = readHttpUrl(baseUrl)?.protocol === 'http:'
    for (const setting of ['caFile', 'certFile'] as const)
      if (isPlain && connection[setting] !== undefined)
        problems.push(problem(at(setting), 'is of no use with a baseUrl of plain http; set an https one, or remove it'))
    return problems
  })
}
