import { linesOf, SourceError } from './lines.ts'
import type { Script, SourceNotes } from './script.ts'
import { fillerText } from './text.ts'

/**
 * A trace of Azure's (github.com/Azure/AzurePublicDataset): `TIMESTAMP,ContextTokens,GeneratedTokens`, a row for each request.
 * Each becomes a session of one question, with filler for its text.
 */
export async function* azureScripts(file: string, notes: SourceNotes): AsyncGenerator<Script> {
  let firstMs: number | undefined
  let lastMs = 0
  let n = 0
  for await (const { line, text } of linesOf(file)) {
    if (line === 1 && text.startsWith('TIMESTAMP')) continue
    const [atMs, inputTokens, outputTokens] = readRow(text)
    if (atMs === undefined) throw new SourceError(file, line, `"${text.slice(0, 80)}" is no ${columns}`)
    firstMs ??= atMs
    const startMs = atMs - firstMs
    if (startMs < lastMs) throw new SourceError(file, line, 'its time is before the line above: sort the file by time')
    lastMs = startMs
    yield { startMs, questions: [{ atMs: 0, text: fillerText(n++, inputTokens, notes), outputTokens }] }
  }
}

const columns = 'TIMESTAMP,ContextTokens,GeneratedTokens (2023-11-16 18:15:46.6805900,374,44)'
const row = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)(?:Z|\+00:00)?,(\d{1,9}),(\d{1,9})$/

function readRow(text: string): readonly [number, number, number] | readonly [undefined, 0, 0] {
  const [, day, time, input, output] = row.exec(text.trim()) ?? []
  if (day === undefined || time === undefined) return [undefined, 0, 0]
  const [clock = '', fraction = '0'] = time.split('.')
  // A date keeps milliseconds; the traces have tenths of microseconds.
  const atMs = Date.parse(`${day}T${clock}Z`) + Number(`0.${fraction}`) * 1_000
  return Number.isNaN(atMs) ? [undefined, 0, 0] : [atMs, Number(input), Number(output)]
}
