import { z } from 'zod'
import { recordFields } from '../shapes.ts'

/** A record that this gateway is too old to read, as while a new version is rolled out: only its place counts. */
export const recordSkipped = z.object({ type: z.literal('record.skipped'), ...recordFields })
