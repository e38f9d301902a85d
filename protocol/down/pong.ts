import { z } from 'zod'
import { id } from '../shapes.ts'

export const pong = z.object({ type: z.literal('pong'), ref: id })
