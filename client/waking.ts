/**
 * Calls `wake` when the network comes back or the page to the foreground, where the platform says so: React Native and
 * Node have neither, and an app there calls `client.wake()` itself. Returns how to stop.
 */
export function listenForWaking(wake: () => void): () => void {
  const page = typeof document === 'undefined' ? undefined : document
  const onVisible = () => {
    if (page?.visibilityState === 'visible') wake()
  }
  const hasNetworkEvents = typeof globalThis.addEventListener === 'function'
  if (hasNetworkEvents) globalThis.addEventListener('online', wake)
  page?.addEventListener?.('visibilitychange', onVisible)
  return () => {
    if (hasNetworkEvents) globalThis.removeEventListener('online', wake)
    page?.removeEventListener?.('visibilitychange', onVisible)
  }
}
