import { z } from 'zod'
import { id, metadata, model, project, recordFields } from '../shapes.ts'

/** A user's message was taken; to every watcher, the sender's other devices too. Also its acknowledgement. */
export const messageAdded = z.object({
  type: z.literal('message.added'),
  ...recordFields,
  turn: id.describe('the turn that will answer it'),
  message: z.object({ messageId: id, content: z.string(), metadata: metadata.exactOptional() }),
  replaces: id.exactOptional().describe('the turn whose place this one takes'),
  model: model.exactOptional().describe('the model that was asked for'),
  project: project.exactOptional().describe("the sender's project, which pays for the answer"),
})
