/**
 * What people write first, and what the figures are measured against: the `openai` SDK's stream, each piece sent over
 * `ws` as it comes. No authentication, no validation, nothing kept. `node load/peers/naive-relay.mjs PROVIDER_URL`.
 */
import OpenAI from 'openai'
import { WebSocketServer } from 'ws'
import { portOf, sayListening } from './listening.mjs'

const openai = new OpenAI({ apiKey: 'none', baseURL: process.argv[2] })
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

server.on('listening', () => sayListening(`ws://127.0.0.1:${portOf(server)}`))
