/** The conversation that the page shows is named in its address, so that reload, back and a bookmark find it. */
const idPattern = /^[A-Za-z0-9_-]{1,64}$/

export function sessionInAddress(): string | undefined {
  const id = location.hash.slice(1)
  return idPattern.test(id) ? id : undefined
}

/** `isReplaced`: the page came to it by itself, so "back" does not lead to the state before. */
export function showInAddress(session: string | undefined, isReplaced: boolean): void {
  if (session === sessionInAddress()) return
  const url = session === undefined ? location.pathname : `#${session}`
  if (isReplaced) history.replaceState(null, '', url)
  else history.pushState(null, '', url)
}
