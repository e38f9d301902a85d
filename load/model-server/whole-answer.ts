// One answer that is not streamed: nothing until the whole of it would have been made, then one JSON body. Faults in
// mid-answer break that body in its middle.

import { type Answer, SPLIT_CHARACTER } from './answer.ts'
import { SPLIT_GAP_MS } from './limits.ts'
import type { Delivery } from './streamed-answer.ts'
import { completionBody, type Envelope, errorBody, MIDWAY_ERROR } from './wire.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }

/** Milliseconds until the last token would be there. */
function durationMs({ answer, settings }: Delivery): number {
  const { ttftMs, tokensPerSecond } = settings
  return tokensPerSecond === 0 ? ttftMs : ttftMs + (Math.max(0, answer.tokens.length - 1) * 1000) / tokensPerSecond
}

export function sendWhole(delivery: Delivery, envelope: Envelope): void {
  const { response, wheel, fault } = delivery
  if (fault === 'stall-headers') {
    response.writeHead(200, JSON_HEADERS)
    response.flushHeaders()
    delivery.request.httpStatus = 200
    return
  }
  const alarm = wheel.at(wheel.nowMs() + durationMs(delivery), () => sendBody(delivery, envelope))
  response.on('close', () => {
    alarm.ring = undefined
  })
}

function filtered(answer: Answer): Answer {
  const tokens = answer.tokens.slice(0, answer.at)
  const completion = { completion_tokens: tokens.length, total_tokens: answer.usage.prompt_tokens + tokens.length }
  return { ...answer, tokens, text: tokens.join(''), usage: { ...answer.usage, ...completion } }
}

function sendBody(delivery: Delivery, envelope: Envelope): void {
  const { response, fault, request, changed } = delivery
  const answer = fault === 'filtered' ? filtered(delivery.answer) : delivery.answer
  const reason = fault === 'filtered' ? 'content_filter' : answer.finishReason
  const body = Buffer.from(completionBody(envelope, answer, reason, fault !== 'no-usage'))
  response.writeHead(200, JSON_HEADERS)
  request.httpStatus = 200
  if (fault === 'error-in-200') response.end(errorBody(MIDWAY_ERROR))
  else if (fault === 'no-marker') response.end(half(body))
  else if (fault === 'stall-mid') response.write(half(body))
  else if (fault === 'reset-mid') {
    response.write(half(body), () => {
      request.status = 'reset'
      response.socket?.destroy()
    })
  } else if (fault === 'split-char') sendSplit(delivery, body)
  else {
    request.sentTokenCount = answer.tokens.length
    response.end(body)
    changed()
  }
}

function half(body: Buffer): Buffer {
  return body.subarray(0, body.length >>> 1)
}

function sendSplit({ response, wheel, answer, request, changed }: Delivery, body: Buffer): void {
  const middle = Math.max(0, body.indexOf(SPLIT_CHARACTER)) + 2
  response.write(body.subarray(0, middle))
  wheel.at(wheel.nowMs() + SPLIT_GAP_MS, () => {
    if (response.destroyed) return
    request.sentTokenCount = answer.tokens.length
    response.end(body.subarray(middle))
    changed()
  })
}
