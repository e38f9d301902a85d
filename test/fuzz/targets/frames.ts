/** Frames from clients: JSON, and the schema of what goes up. */
import assert from 'node:assert/strict'
import { parseFrame } from '../../../gateway/parse-frame.ts'
import { up } from '../../../protocol/up.ts'
import { jsonFor } from '../grammar/json.ts'
import type { Input } from '../recipe.ts'
import type { Target } from '../target.ts'
import { assertMessage, kindOf } from './promises.ts'

function run({ text }: Input): string {
  const frame = parseFrame(text)
  if (frame.kind === 'ok') {
    const written = JSON.stringify(frame.frame)
    const again = parseFrame(written)
    assert.equal(again.kind, 'ok', 'what was read and written again is refused')
    // As text: JSON writes -0 as 0, which the store does too.
    if (again.kind === 'ok')
      assert.equal(JSON.stringify(again.frame), written, 'what was read and written again differs')
    return frame.frame.type
  }
  assertMessage(frame.message)
  return kindOf(frame.message)
}

export const frames: Target = {
  name: 'frames',
  what: 'frames from clients',
  grammar: jsonFor(up),
  unitsMax: 1024 * 1024,
  bound: { cpuMs: 50, heapBytes: 64 * 1024 * 1024 },
  run,
}
