/** What the filters bound, in one place. */

/** The longest e-mail address's local part and domain that are looked at, in UTF-16 units. */
export const emailLocalUnits = 64
export const emailDomainUnits = 253

/** How long an operator's own patterns may take over one message, together; above, the message is refused. */
export const customPatternsMs = 100

/** A placeholder's kind, in letters; longer names of own patterns are cut. */
export const placeholderKindLetters = 12
/** A placeholder's code, in characters: one of 3 bits, the others of 5. */
export const placeholderCodeCharacters = 8

/** The most units of invisible characters inside a placeholder of an answer; with more of them it is not restored. */
export const placeholderInvisibleUnits = 64

/** After so much of a text, in UTF-16 units, and the rest of the line, others have their turn. */
export const findPartUnits = 16 * 1024
/** A longer line is cut here. The next part begins so much earlier, which is more than the longest identifier has. */
export const findLongestPartUnits = 2 * findPartUnits
export const findOverlapUnits = 512
/** … and after so many placeholders. */
export const namePartValues = 1_000

/** The longest forbidden word or phrase, in UTF-16 units: what is held back of an answer is shorter. */
export const filterWordUnits = 200

/** The most that is held back of an answer for a word, in UTF-16 units. With more invisible characters inside, it is let out. */
export const filterHeldUnits = 8 * filterWordUnits

/** A window of an answer is moderated when it is this long (UTF-16 units), or its first piece this old. */
export const moderationWindowUnits = 1_000
export const moderationWindowMs = 500
/** What was checked before a window is shown with it, so that nothing hides across the border. */
export const moderationOverlapUnits = 200
/** Text that waits for its check: above, the provider is paused. */
export const moderationHeldUnits = 64 * 1024
/** One question to the endpoint, the whole check of one text with its repeats, and what is read of a reply. */
export const moderationTryMs = 2_000
export const moderationTries = 2
export const moderationReplyBytes = 64 * 1024
/** The most of one message in one question; a longer message is asked in several. */
export const moderationQuestionUnits = 32 * 1024
