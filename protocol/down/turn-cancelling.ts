import { z } from 'zod'
import { id } from '../shapes.ts'

export const turnCancelling = z.object({ type: z.literal('turn.cancelling'), ref: id, session: id, turn: id })
