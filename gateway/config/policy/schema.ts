/**
 * What `sluice.yaml` may say: one schema, from which the file is checked and `docs/schema/sluice-yaml.schema.json` is made.
 *
 * It transforms nothing: what is read is what was written, with its defaults. A setting without a default here may come
 * from a variable of the environment, or from the same setting for everybody; its description says so.
 */
import { z } from 'zod'
import {
  aliasTargetsMax,
  namesMax,
  patternLength,
  patternsMax,
  targetKeysMax,
  tenantsMax,
  wordLength,
  wordsMax,
} from './bounds.ts'
import { connection, request } from './request-schema.ts'
import { named, secret, text, url, whole } from './schema-parts.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const GIB = 1024 ** 3

const count = (max: number, description: string) => whole(0, max, `${description} 0: no limit.`)

const amount = (description: string) =>
  z
    .string()
    .regex(/^\d{1,9}(?:\.\d{1,6})?$/, 'is no amount; set digits in quotes, at most six after the point: "0.15"')
    .describe(description)

const targetName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'is no name; use letters, digits, `.`, `_` and `-`, at most 64')
const modelName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.:/-]{0,127}$/, 'is no name; use letters, digits and `._:/-`, at most 128')
const tenantName = z.string().min(1).max(256)

const alias = z
  .strictObject({
    targets: z
      .array(
        z.strictObject({
          target: targetName.describe('Name of one of the targets below.'),
          tier: whole(1, 100, 'Lower ones are tried first; a higher one when all of a lower one fail.').default(1),
          weight: whole(
            1,
            1000,
            "A session keeps to one target of a tier, chosen by this share of the tier's sum.",
          ).default(1),
        }),
      )
      .min(1)
      .max(aliasTargetsMax)
      .describe('Who can answer, at least one.'),
    offline: text(4000, 'An answer of its own for when no target can; without it the turn fails.').optional(),
  })
  .describe('A model as clients name it.')

const target = z
  .strictObject({
    baseUrl: url('Of an OpenAI-compatible API, up to and with /v1.'),
    model: text(256, 'As the endpoint calls it.'),
    provider: z
      .string()
      .regex(/^[a-z][\w.-]{0,63}$/, 'is no name; use small letters, digits, `.`, `_` and `-`')
      .default('openai')
      .describe('In telemetry, as the GenAI conventions of OpenTelemetry spell it.'),
    keys: z
      .array(secret)
      .max(targetKeysMax)
      .optional()
      .describe(
        'API keys; the next one is tried when one is refused for its rate or its validity. May be left out on a loopback address; elsewhere an endpoint without keys is said by an empty list.',
      ),
    limits: z
      .strictObject({
        concurrent: count(1_000_000, 'Calls at once, on one node.').default(0),
        requestsPerMinute: count(10_000_000, 'Calls a minute, on one node.').default(0),
        tokensPerMinute: count(10_000_000_000, 'Tokens a minute, estimated, on one node.').default(0),
        waiting: whole(
          0,
          10_000,
          'Calls that may wait for a place; one more goes to the next target. 0: none waits.',
        ).default(100),
      })
      .prefault({})
      .describe('What the target takes.'),
    price: z
      .strictObject({
        input: amount('A million tokens of the prompt.'),
        cachedInput: amount(
          "A million tokens that the provider had in its cache. Default: the input's price.",
        ).optional(),
        output: amount('A million tokens of the answer.'),
      })
      .optional()
      .describe('In limits.currency, as text in quotes: it is read digit by digit.'),
    reasoning: z
      .enum(['hidden', 'visible', 'none'])
      .default('hidden')
      .describe(
        'Whether the model thinks before it answers: unseen (hidden), sending it all (visible), or not at all (none). With hidden an answer that is cancelled before its provider said what it used is booked at limits.answerTokens, else at what came.',
      ),
    thinkTags: z
      .enum(['paired', 'closing'])
      .optional()
      .describe(
        'Thinking that its server leaves at the beginning of the text is taken for thinking: between <think> and </think> (paired), or up to </think> where the model does not send the first (closing).',
      ),
    answerTokens: whole(
      1,
      1_000_000,
      'Tokens of the longest answer of this target. Default: limits.answerTokens.',
    ).optional(),
    contextTokens: whole(
      256,
      100_000_000,
      'Tokens of a prompt with its answer that the model takes; the history is cut to it. Default: not known.',
    ).optional(),
    request: request.prefault({}),
    connection: connection.prefault({}),
  })
  .describe('One model at one endpoint.')

const retry = z
  .strictObject({
    totalMs: whole(
      1,
      HOUR_MS,
      "Milliseconds from the first call, or from a break in mid-answer, to the last try's first content. Default: SLUICE_FIRST_TOKEN_TIMEOUT_MS (30000).",
    ).optional(),
    triesPerTarget: whole(1, 10, "Calls of one target before the next one's turn.").default(2),
    baseMs: whole(1, 60_000, 'Milliseconds: a wait before a repeat is random, up to this, doubled each time …').default(
      250,
    ),
    maxMs: whole(1, 600_000, '… and up to this at most; what Retry-After asks comes on top.').default(5_000),
    connectMs: whole(1, 600_000, 'Milliseconds until the connection to a provider stands.').default(5_000),
    firstContentMs: whole(
      1,
      HOUR_MS,
      "Milliseconds from a call to its first content; then the next target is called. Never ends the last target's. Default: SLUICE_FIRST_TOKEN_TIMEOUT_MS if that is set, else 10000; at most totalMs.",
    ).optional(),
    silenceMs: whole(
      1,
      HOUR_MS,
      'Milliseconds from one sign of life to the next: content, thinking, or a comment. Default: SLUICE_IDLE_TIMEOUT_MS (30000).',
    ).optional(),
    thinkingMs: whole(
      1,
      HOUR_MS,
      'Milliseconds that a model may think before its first content, or between two pieces of it. It is waited for meanwhile: totalMs and firstContentMs do not count.',
    ).default(300_000),
    afterContent: z
      .enum(['continue', 'restart', 'fail'])
      .default('restart')
      .describe(
        'What becomes of an answer that breaks in the middle: the next call goes on from its text, begins anew, or it ends as failed.',
      ),
    breaks: whole(0, 10, 'Breaks in the middle of one answer that are mended; one more fails it.').default(2),
    emptyAnswer: z
      .enum(['accept', 'retry'])
      .default('accept')
      .describe(
        'What becomes of a first answer without any visible text: it stands, or it counts as a failure and the next target is asked.',
      ),
    hedgeMs: whole(
      0,
      HOUR_MS,
      'Milliseconds without content after which a second target is called too; the first to bring content answers. 0: never.',
    ).default(0),
  })
  .describe('What is tried when a call fails.')

const breaker = z
  .strictObject({
    windowMs: whole(1_000, HOUR_MS, 'Milliseconds that calls are counted for.').default(30_000),
    minimumCalls: whole(1, 100_000, 'Fewer calls in the window prove nothing.').default(10),
    errorRatio: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe('Share of failures, 0.01 to 1, from which on the target is left alone.'),
    openMs: whole(100, HOUR_MS, 'Milliseconds for which it is.').default(15_000),
    probes: whole(1, 100, 'Calls at once that then try it.').default(1),
  })
  .describe('A target that fails too often is left alone for a while.')

const scope = (whose: string) =>
  z
    .strictObject({
      messagesPerMinute: count(1_000_000, 'Messages a minute.').optional(),
      tokensPerMinute: count(
        10_000_000_000,
        'Tokens a minute, prompts and answers; at most while an answer runs, then as used.',
      ).optional(),
      runningTurns: count(1_000_000, 'Answers at once.').optional(),
      perDay: amount('Budget of a UTC day, in limits.currency, in quotes. "0": no limit.').optional(),
      perMonth: amount('Budget of a calendar month (UTC), in limits.currency, in quotes. "0": no limit.').optional(),
    })
    .describe(`Of one ${whose}. Default of each: no limit.`)

const scopes = {
  subject: scope('subject (user)').optional(),
  project: scope('project').optional(),
  tenant: scope('tenant').optional(),
}

const limits = z
  .strictObject({
    currency: z
      .string()
      .refine(
        (code) => Intl.supportedValuesOf('currency').includes(code),
        'is no currency; set a code of ISO 4217: USD',
      )
      .default('USD')
      .describe('ISO 4217 code of all prices and budgets.'),
    inputTokens: whole(
      0,
      10_000_000,
      'Tokens of one message, at most: prose counts as about twice its tokens. 0: as much as the prompt takes.',
    ).default(0),
    answerTokens: whole(
      1,
      1_000_000,
      'Tokens of the longest answer asked for (max_tokens). Default: SLUICE_ANSWER_TOKENS (4096).',
    ).optional(),
    ...scopes,
    tenants: named(
      tenantName,
      z.strictObject(scopes),
      tenantsMax,
      'For tenants by name; what is not said here is as for everybody.',
    ).default({}),
  })
  .describe('How much one user, project or tenant may have. SLUICE_MESSAGES_PER_MINUTE is subject.messagesPerMinute.')

const privacySettings = {
  redact: z
    .array(z.enum(['email', 'phone', 'card', 'iban', 'ip']))
    .max(5)
    .optional()
    .describe('What becomes a placeholder before a provider sees it. Default: none.'),
  custom: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,30}$/, 'is no name; use small letters, digits and `-`, at most 31')
          .describe('What the placeholder is called.'),
        pattern: text(
          patternLength,
          'A regular expression (JavaScript, flag u) of bounded length: {1,40} in place of + and *.',
        ),
      }),
    )
    .max(patternsMax)
    .optional()
    .describe('The same for identifiers of your own. Default: none.'),
  filter: z
    .strictObject({
      words: z
        .array(text(wordLength, 'A word, or several with blanks between.'))
        .max(wordsMax)
        .default([])
        .describe('An answer with one of them stops as filtered. Whole words, without case.'),
      wordsFile: text(
        1024,
        'Path of a file with more of them, one a line, from the folder of this one; `#` begins a comment.',
      ).optional(),
      moderation: z
        .strictObject({
          url: url('Of an endpoint like OpenAI’s /v1/moderations.'),
          key: secret.optional(),
          model: text(256, 'As the endpoint calls it.').default('omni-moderation-latest'),
        })
        .optional()
        .describe('Asked about answers while they are made. Default: nobody is.'),
    })
    .optional()
    .describe('What stops an answer. Default: nothing.'),
}

const privacy = z
  .strictObject({
    ...privacySettings,
    tenants: named(
      tenantName,
      z.strictObject(privacySettings),
      tenantsMax,
      'For tenants by name; redact, custom or filter here takes the place of the one above.',
    ).default({}),
  })
  .describe('What a provider may see, and what a user may be shown.')

const cache = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether equal questions get the answer that is there.'),
    maxEntries: whole(1, 10_000_000, 'Answers that are kept, on one node.').default(10_000),
    maxBytes: whole(1024, 64 * GIB, 'Bytes that they may take, on one node.').default(64 * 1024 ** 2),
    ttlMs: whole(1_000, 30 * DAY_MS, 'Milliseconds for which one is kept.').default(HOUR_MS),
  })
  .describe('Answers that are given again.')

export const policyFile = z
  .strictObject({
    version: z.literal(1).describe('Of this format: 1.'),
    defaultModel: modelName
      .optional()
      .describe('The one that answers when a message names none. May be left out with one model.'),
    otherModels: z
      .enum(['refuse', 'pass'])
      .optional()
      .describe(
        "What becomes of a name that is none of the models: refused, or handed as it is to the default model's targets. Default: refuse.",
      ),
    models: named(modelName, alias, namesMax, 'Models by the names that clients use. Goes with targets.').optional(),
    targets: named(
      targetName,
      target,
      namesMax,
      'Who answers, by a name for the logs. Without models and targets: OPENAI_API_KEY, OPENAI_BASE_URL, SLUICE_MODEL.',
    ).optional(),
    retry: retry.prefault({}),
    breaker: breaker.prefault({}),
    limits: limits.prefault({}),
    privacy: privacy.prefault({}),
    cache: cache.prefault({}),
  })
  .describe('What an operator of Sluice decides about answers: docs/OPERATIONS.md, "sluice.yaml".')

/** The file, with its defaults. */
export type PolicyFile = z.output<typeof policyFile>
export type SecretReference = z.output<typeof secret>
export type ScopesInFile = { readonly [S in keyof typeof scopes]?: z.output<(typeof scopes)[S]> }
export type PrivacyInFile = z.output<z.ZodObject<typeof privacySettings>>

/** The schema for editors, as JSON Schema (draft 7, which the YAML language server reads best). */
export function policyJsonSchema(): object {
  return { title: 'sluice.yaml', ...z.toJSONSchema(policyFile, { io: 'input', target: 'draft-7' }) }
}
