import { z } from 'zod'
import { recordingEventsMax } from '../bounds.ts'
import { readItem } from './json.ts'
import { linesOf, SourceError } from './lines.ts'
import { type RecordedSession, readSessions } from './recorded-session.ts'
import type { Script, SourceNotes } from './script.ts'

const n = z.int().min(0)
const ms = z.number().min(0)
const header = z.object({ format: z.literal('sluice-recording'), version: z.literal(1), startedMs: ms })

const event = z.discriminatedUnion('type', [
  z.object({ type: z.literal('socket.opened'), atMs: ms, socket: n }),
  z.object({ type: z.literal('socket.closed'), atMs: ms, socket: n, code: z.int().optional() }),
  z.object({ type: z.literal('session.opened'), atMs: ms, socket: n, session: n }),
  z.object({
    type: z.literal('message'),
    atMs: ms,
    session: n,
    model: z.string().optional(),
    contentBytes: n,
    content: z.string().optional(),
  }),
  z.object({
    type: z.literal('turn.ended'),
    atMs: ms,
    session: n,
    bytes: n.optional(),
    outputTokens: n.optional(),
    ms: ms.optional(),
  }),
  z.object({ type: z.literal('cancel'), atMs: ms, session: n, afterMs: ms.optional() }),
])

export type RecordedEvent = z.infer<typeof event>

/** A type that a younger gateway writes is no mistake; a known one with wrong fields is. */
const knownTypes = new Set<string>(event.options.map((option) => option.shape.type.value))
const anyEvent = z.looseObject({ type: z.string() })

/**
 * A gateway's own recording (`SLUICE_RECORD_DIR`): sessions with their times, lengths, models, cancels, broken sockets and
 * second watchers. It is read as a whole, within a bound, since a session's events are spread over it.
 */
export async function* recordingScripts(file: string, notes: SourceNotes): AsyncGenerator<Script> {
  const events = await readEvents(file)
  const sessions = readSessions(events, notes)
  const inOrder = [...sessions].sort((one, other) => one.startMs - other.startMs)
  const firstMs = inOrder[0]?.startMs ?? 0
  for (const session of inOrder) if (session.questions.length > 0) yield scriptOf(session, firstMs)
}

async function readEvents(file: string): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = []
  let isHeaded = false
  for await (const item of linesOf(file)) {
    if (!isHeaded) {
      readItem(file, item, header)
      isHeaded = true
    } else if (knownTypes.has(readItem(file, item, anyEvent).type)) {
      if (events.length >= recordingEventsMax)
        throw new SourceError(file, item.line, `there are more than ${recordingEventsMax} events: cut the file`)
      events.push(readItem(file, item, event))
    }
  }
  return events
}

function scriptOf({ startMs, questions, drops, watcherCount }: RecordedSession, firstMs: number): Script {
  return { startMs: startMs - firstMs, questions, drops, watcherCount }
}
