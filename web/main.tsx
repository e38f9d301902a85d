import { render } from 'preact'
import { createClient } from '../client/index.ts'
import { watchConnection } from './chat/connection.ts'
import { createConversation } from './chat/conversation.ts'
import { createConversationList } from './chat/conversation-list.ts'
import { createTokenDesk } from './chat/token-desk.ts'
import { App } from './ui/app.tsx'

/** The one place where the page's parts are made and joined. */
function start(root: Element): void {
  const desk = createTokenDesk()
  const client = createClient({ url: location.origin, getToken: desk.getToken, client: 'sluice-web/0.1' })
  const list = createConversationList(client)
  const conversation = createConversation(client, list.refresh)
  const connection = watchConnection(client)
  client.connect()
  render(<App client={client} desk={desk} conversation={conversation} list={list} connection={connection} />, root)
}

const root = document.querySelector('#app')
if (root !== null) start(root)
