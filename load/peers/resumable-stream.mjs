/**
 * resumable-stream as its README has it ("explicit resumption"): POST begins a stream, GET with `resumeAt` goes on with
 * it, both answer server-sent events. `REDIS_URL=… node load/peers/resumable-stream.mjs PROVIDER_URL`.
 *
 * The README's handlers are a Next.js application's; they are served by Hono here, which takes the same `Request` and
 * `Response`. `waitUntil: null` is what its types name for servers that are not suspended. Its streams are of strings, a
 * `Response` wants bytes.
 */
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import OpenAI from 'openai'
import { createResumableStreamContext } from 'resumable-stream'
import { portOf, sayListening } from './listening.mjs'

const openai = new OpenAI({ apiKey: 'none', baseURL: process.argv[2] })
const streams = createResumableStreamContext({ waitUntil: null })
const app = new Hono()

app.post('/streams/:id', async (context) => {
  const { model, content } = await context.req.json()
  return answer(await streams.createNewResumableStream(context.req.param('id'), () => eventsOf(model, content)))
})

app.get('/streams/:id', async (context) => {
  const resumeAt = context.req.query('resumeAt')
  return answer(await streams.resumeExistingStream(context.req.param('id'), resumeAt ? Number(resumeAt) : undefined))
})

function answer(stream) {
  if (!stream) return new Response('Stream is already done', { status: 422 })
  return new Response(stream.pipeThrough(new TextEncoderStream()), { headers: { 'content-type': 'text/event-stream' } })
}

function eventsOf(model, content) {
  return ReadableStream.from(events(model, content))
}

async function* events(model, content) {
  const stream = await openai.chat.completions.create({ model, stream: true, messages: [{ role: 'user', content }] })
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content
    if (text) yield `data: ${JSON.stringify({ type: 'delta', text })}\n\n`
  }
  yield 'data: [DONE]\n\n'
}

const server = createServer(getRequestListener(app.fetch))
server.listen(0, '127.0.0.1', () => sayListening(`http://127.0.0.1:${portOf(server)}`))
