/** What several parts of `sluice.yaml` are made of. */
import { z } from 'zod'

export const whole = (min: number, max: number, description: string) => z.int().min(min).max(max).describe(description)

export const text = (max: number, description: string) => z.string().min(1).max(max).describe(description)

export const named = <T extends z.ZodType>(name: z.ZodString, value: T, max: number, description: string) =>
  z
    .record(name, value)
    .refine((entries) => Object.keys(entries).length <= max, `has more than ${max} entries; remove some`)
    .describe(description)

export const secret = z
  .strictObject({
    env: z
      .string()
      .regex(/^[A-Za-z_]\w{0,127}$/, 'is no name of a variable; set the name, never the key itself')
      .optional()
      .describe('Name of the environment variable that has it.'),
    file: text(
      1024,
      'Path of the file that has it, from the folder of this one; read again when it changes.',
    ).optional(),
  })
  .refine(({ env, file }) => (env === undefined) !== (file === undefined), 'is no reference; set one of env and file')
  .describe('Where a secret is: in an environment variable, or in a file. It is never written here.')

export const url = (description: string) => z.string().max(2048).describe(description)
