/**
 * Whether the user most likely has a mouse and a keyboard of keys. No page can ask which keyboard is used; a phone or a
 * tablet, whose first pointer is a finger, most often has the one on the screen.
 */
export function hasKeyboard(): boolean {
  return matchMedia('(hover: hover) and (pointer: fine)').matches
}

/**
 * Enter sends, Shift+Enter does not. A keyboard on the screen has no Shift+Enter: there Enter begins a new line and the
 * button sends. Ctrl or Command with Enter sends everywhere, so also from a keyboard that was joined to a tablet. While an input method composes (Japanese, Chinese, accents on a Mac), Enter takes
 * its suggestion: such a key has `isComposing`, and in Safari, which ends the composition first, key code 229.
 */
export function isSendKey(event: KeyboardEvent): boolean {
  const isEnter = event.key === 'Enter' && !event.isComposing && event.keyCode !== 229
  return isEnter && !event.shiftKey && !event.altKey && (event.ctrlKey || event.metaKey || hasKeyboard())
}
