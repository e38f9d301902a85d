/** A checked target as a block of lines for a terminal, without a key. */
import { proxyText } from '../../gateway/config/proxies.ts'
import type { TargetPolicy } from '../../orchestrator/policy.ts'
import type { AnswerCheck, ListCheck, TargetCheck, Trouble } from './check.ts'

/** What is shown of an endpoint's words, in characters. */
const wordsLength = 300
/** Shorter ones are no secrets, but what stands for none. */
const secretLength = 6

export function describeCheck(target: TargetPolicy, { list, answer, repairs }: TargetCheck): readonly string[] {
  const line = (name: string, text: string) => `  ${name.padEnd(10)} ${text}`
  const proxy = target.connection?.proxy?.secret.reveal()
  return [
    `${target.name}: ${target.model} at ${target.baseUrl.replace(/[?#].*$/, '')}`,
    ...(proxy === undefined ? [] : [line('proxy', proxyText(proxy))]),
    line('models', listText(list, target)),
    line('answer', answerText(answer, target)),
    ...repairs.map(({ fields, message }) => line('request', `${fieldsText(fields)}${message}`)),
    ...(answer.kind === 'answered' ? answered(answer).map(([name, text]) => line(name, text)) : []),
  ]
}

function listText(list: ListCheck, target: TargetPolicy): string {
  if (list.kind === 'failed') return `not listed: ${troubleText(list.why, target)}`
  return `${list.count} listed, ${target.model} ${list.hasModel ? 'among them' : 'NOT among them'}`
}

function answerText(answer: AnswerCheck, target: TargetPolicy): string {
  if (answer.kind === 'failed') return `FAILED: ${troubleText(answer.why, target)}${adviceFor(answer.why)}`
  const by = answer.model === undefined || answer.model === target.model ? '' : `, by ${answer.model}`
  return `first token after ${Math.round(answer.firstTokenMs)} ms, finish reason ${answer.finishReason ?? 'not said'}${by}`
}

function answered(answer: Extract<AnswerCheck, { kind: 'answered' }>): readonly (readonly [string, string])[] {
  const { usage, hasReasoning, hasText } = answer
  return [
    [
      'usage',
      usage === undefined
        ? 'not reported: answers are booked at their upper bound'
        : `reported: ${usage.inputTokens} tokens in, ${usage.outputTokens} out`,
    ],
    [
      'reasoning',
      hasReasoning ? `seen${hasText ? '' : ', and no text after it'}; set reasoning: visible` : 'none seen',
    ],
  ]
}

const advice: Readonly<Record<string, string>> = {
  '401': 'see the key, and request.keyHeader',
  '403': 'see what the key may use',
  '404': 'see baseUrl and model',
  ENOTFOUND: 'see baseUrl; a network that is left through a proxy needs HTTPS_PROXY or connection.proxy',
  ECONNREFUSED: 'see baseUrl, and whether the endpoint runs',
  ERR_PROXY_TUNNEL: 'the proxy refused: see its user and password, and what it allows',
  SELF_SIGNED_CERT_IN_CHAIN: 'see connection.caFile',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'see connection.caFile',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'see connection.caFile',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'see connection.caFile',
}

function adviceFor({ status, code = '' }: Trouble): string {
  const text = advice[String(status)] ?? advice[code]
  return text === undefined ? '' : `; ${text}`
}

function troubleText({ status, code, message }: Trouble, target: TargetPolicy): string {
  const names = [status === undefined ? '' : `status ${status}`, code ?? ''].filter((name) => name !== '')
  return [...names, withoutKeys(message, target)].join(', ')
}

/** An endpoint may quote the key, whole or in part. */
function withoutKeys(message: string, { keys, request, connection }: TargetPolicy): string {
  const headers = [...(request?.headers?.values() ?? [])].flatMap((value) =>
    typeof value === 'string' ? [] : [value.secret.reveal()],
  )
  const proxy = connection?.proxy === undefined ? [] : [connection.proxy.secret.reveal()]
  let text = message.replaceAll(/\s+/g, ' ')
  for (const secret of [...keys.map((key) => key.reveal()), ...headers, ...proxy])
    if (secret.length >= secretLength) text = text.replaceAll(secret, '[…]')
  return text.replaceAll(/[\w-]*\*{2,}[\w*-]*|\b(?:sk|pk|key|gsk|xai)-[\w-]{6,}/g, '[…]').slice(0, wordsLength)
}

function fieldsText(fields: object): string {
  const pairs = Object.entries(fields).map(([name, value]) => `${name} ${value}`)
  return pairs.length === 0 ? '' : `${pairs.join(', ')}: `
}
