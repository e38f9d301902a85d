import { z } from 'zod'
import { count, id } from '../shapes.ts'

/** The system prompt that an attempt was asked with: which text it was, and for which side of an experiment. */
export const promptUsed = z.object({
  name: id,
  version: count.describe('0: a prompt without versions'),
  experiment: id.exactOptional().describe('absent: no experiment decided'),
  variant: id.exactOptional().describe("of the experiment's"),
})
