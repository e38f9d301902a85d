/** What bounds prompts; each with its unit and what happens at it. */

/** One version's text, in characters: a longer one stops the start. */
export const templateCharacters = 256 * 1024
/** Variables and tags in one version's text; one more stops the start. Looking through them takes quadratic time. */
export const templateTagsMax = 1_000
/** One `prompt.yaml` or `assignments.yaml`, in characters; and the aliases in one, since a few can stand for millions. */
export const yamlCharacters = 256 * 1024
export const yamlAliases = 100
/** How much of a key a message shows, in characters. */
export const shownKeyLength = 64
/** Prompts in a folder, versions of one and rules in `assignments.yaml`; one more stops the start. */
export const promptsMax = 1_000
export const versionsMax = 1_000
export const assignmentsMax = 10_000

/** Parameters of one version; one more stops the start. */
export const parametersMax = 32

/** The longest filling in of one template, in milliseconds, and what it may make, in characters; then it fails. */
export const renderMs = 500
export const renderCharacters = 1024 * 1024

/** Below this share of a version's text in front of its first variable, there is a warning: providers cache beginnings. */
export const staticShare = 0.5
