/**
 * Names and reasons that a provider gives beside its answer's text. They go into records, logs and spans, so only what
 * looks like a name passes: a provider may quote what it was asked, the conversation included.
 */
const word = /^[\w.:/@+-]{1,128}$/

/** Undefined for anything but a short name without blanks. */
export function providerWord(value: unknown): string | undefined {
  return typeof value === 'string' && word.test(value) ? value : undefined
}

/** The media type, without parameters. Undefined where there is none. */
export function mediaType(contentType: string | undefined): string | undefined {
  if (contentType === undefined || contentType === '') return undefined
  return providerWord(contentType.split(';', 1)[0]?.trim().toLowerCase()) ?? 'other'
}
