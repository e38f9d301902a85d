/**
 * Enter sends, Shift+Enter does not. While an input method composes (Japanese, Chinese, accents on a Mac), Enter takes
 * its suggestion: such a key has `isComposing`, and in Safari, which ends the composition first, key code 229.
 */
export function isSendKey(event: KeyboardEvent): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.altKey && !event.isComposing && event.keyCode !== 229
}
