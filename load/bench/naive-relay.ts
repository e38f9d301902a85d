/**
 * What people write first, and what the figures are measured against: the `openai` SDK's stream, each piece sent over
 * `ws` as it comes. No authentication, no validation, nothing kept. `node load/bench/naive-relay.ts PROVIDER_URL`.
 */
import OpenAI from 'openai'
import { WebSocketServer } from 'ws'

const openai = new OpenAI({ apiKey: 'none', baseURL: process.argv[2] ?? '' })
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })

server.on('connection', (socket) => {
  socket.on('message', async (data) => {
    const { model, content } = JSON.parse(String(data))
    const stream = await openai.chat.completions.create({ model, stream: true, messages: [{ role: 'user', content }] })
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content
      if (text) socket.send(JSON.stringify({ type: 'delta', text }))
    }
    socket.send(JSON.stringify({ type: 'done' }))
  })
})

server.on('listening', () => {
  const address = server.address()
  if (typeof address === 'object' && address !== null) {
    process.stdout.write(`${JSON.stringify({ listening: `ws://127.0.0.1:${address.port}` })}\n`)
  }
})
