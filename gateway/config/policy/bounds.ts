/** What bounds the reading of `sluice.yaml` and of the files that it names, in one place. */

/** The file itself, and a list of words, in bytes; a larger one is refused. */
export const policyFileBytes = 256 * 1024
export const wordsFileBytes = 1024 * 1024
/** A file with a secret, in bytes. */
export const secretFileBytes = 16 * 1024

/** Values in the file, those counted again that an alias repeats; more is a bomb. */
export const nodesMax = 50_000
/** How deep lists and mappings may lie in one another. */
export const depthMax = 32

/** Problems told of one file; of the others only how many there are. */
export const problemsMax = 25

/** A name longer than this, in characters, is not shown in a problem: it may be a key in the wrong place. */
export const shownNameLength = 30

/** Entries of one mapping of models or targets, and of one of tenants. */
export const namesMax = 256
export const tenantsMax = 5_000
/** Targets of one alias, keys of one target, patterns of one tenant. */
export const aliasTargetsMax = 16
export const targetKeysMax = 16
export const patternsMax = 32
/** Headers, query parameters and body parameters of one target, and the characters of a header's or query parameter's value. */
export const requestMembersMax = 32
export const requestValueLength = 2_048
/** A file with certificates or a private key, in bytes. */
export const pemFileBytes = 512 * 1024
/** Words of one filter, its file counted in, and the characters of one. */
export const wordsMax = 20_000
export const wordLength = 100
/** Files that one configuration may name. */
export const namedFilesMax = 256

/** A pattern's source, and the longest text that it may match, in characters. */
export const patternLength = 500
export const matchLength = 512
/** Ways in which a pattern may match at one place: the steps that it can take there are at most this often its match. */
export const patternWays = 512

/** How often the files are read again, in milliseconds. A change is taken over when two readings found the same. */
export const pollMs = 1_000
