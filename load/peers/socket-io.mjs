/**
 * Socket.IO as its documents have it where nothing may be lost: the Redis Streams adapter, connection state recovery, and
 * each piece emitted to the chat's room, so that it is in the Redis stream before it is sent and a client that comes back
 * within two minutes gets what it missed. `REDIS_URL=… node load/peers/socket-io.mjs PROVIDER_URL`.
 *
 * https://socket.io/docs/v4/redis-streams-adapter and https://socket.io/docs/v4/connection-state-recovery; the adapter's
 * own options are its defaults.
 */
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-streams-adapter'
import OpenAI from 'openai'
import { createClient } from 'redis'
import { Server } from 'socket.io'
import { portOf, sayListening } from './listening.mjs'

const openai = new OpenAI({ apiKey: 'none', baseURL: process.argv[2] })
const redis = createClient({ url: process.env.REDIS_URL })
await redis.connect()

const server = createServer()
const io = new Server(server, {
  adapter: createAdapter(redis),
  connectionStateRecovery: { maxDisconnectionDuration: 2 * 60 * 1000, skipMiddlewares: true },
})

io.on('connection', (socket) => {
  socket.on('ask', async ({ chat, model, content }) => {
    socket.join(chat)
    const stream = await openai.chat.completions.create({ model, stream: true, messages: [{ role: 'user', content }] })
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content
      if (text) io.to(chat).emit('delta', { text })
    }
    io.to(chat).emit('done')
  })
})

server.listen(0, '127.0.0.1', () => sayListening(`http://127.0.0.1:${portOf(server)}`))
