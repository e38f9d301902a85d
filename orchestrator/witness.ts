import type { Bill } from './bill.ts'
import { answerTokensOf, otherModel } from './policy.ts'
import type { TurnTelemetry } from './ports.ts'
import type { CallWitness } from './route/routed-answer.ts'
import type { TurnSpans } from './spans.ts'

/** Tells the bill, the metrics and the spans of a turn what becomes of its calls. */
export function witnessOf(bill: Bill, telemetry: TurnTelemetry, spans: TurnSpans): CallWitness {
  const targets = new Map<number, string>()
  const targetOf = (call: number) => targets.get(call) ?? ''
  /** Calls with a model's name that a client chose freely; a provider may say it again. */
  const free = new Set<number>()
  return {
    called(call, { policy, provider }, why, question) {
      const { model: named } = question
      const maxOutputTokens = answerTokensOf(policy, question.maxOutputTokens)
      if (named !== undefined) free.add(call)
      const model = named === undefined ? policy.model : otherModel
      targets.set(call, policy.name)
      bill.called(call, policy, { ...question, maxOutputTokens })
      telemetry.callMade(policy.name, why)
      spans.called(call, { provider: provider.name, target: policy.name, model, maxOutputTokens, why })
    },
    passed(call, why) {
      bill.broke(call)
      telemetry.callPassed(targetOf(call), why)
      spans.over(call, why)
    },
    connected: (call) => bill.connected(call),
    taken: (call) => bill.taken(call),
    started(call, answer) {
      bill.taken(call)
      spans.started(call, free.has(call) ? { ...answer, model: otherModel } : answer)
    },
    firstContent(call, sinceSentMs) {
      telemetry.firstContent(targetOf(call), sinceSentMs)
      spans.firstText(call)
    },
    text: (call, piece) => bill.text(call, piece),
    counted: (call, usage) => bill.counted(call, usage),
    unread: (call) => bill.unread(call),
    over(call, how, ms, end) {
      if (how === 'ended') {
        bill.ended(call, end !== undefined && 'finishReason' in end ? end.usage : undefined)
        bill.answeredBy = targetOf(call)
      } else if (how === 'failed') bill.broke(call)
      else bill.closed(call)
      telemetry.callEnded(targetOf(call), how, ms)
      spans.over(call, how, end)
    },
  }
}
