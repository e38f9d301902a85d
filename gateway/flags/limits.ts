/** What bounds feature flags; each with its unit and what happens at it. */

/** The file, in characters, and the flags in it; above, it counts as a bad one. */
export const flagsFileCharacters = 256 * 1024
export const flagsMax = 100
/** Problems of a bad file that are told; the others are left out. */
export const problemsShown = 10

/** How often files that may change are looked at, in milliseconds: a switch takes at most that long to count. */
export const lookEveryMs = 2_000
