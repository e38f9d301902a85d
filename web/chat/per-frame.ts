/** When the page is hidden no frames are drawn; what waits for one is then done after so many milliseconds. */
const hiddenMs = 500

/**
 * A function that runs `act` once before the next frame, however often it is called meanwhile. Tokens come several a
 * frame; drawing each would be work that nobody sees.
 */
export function perFrame(act: () => void): () => void {
  let isPlanned = false
  const run = () => {
    if (!isPlanned) return
    isPlanned = false
    act()
  }
  return () => {
    if (isPlanned) return
    isPlanned = true
    if (document.visibilityState === 'hidden') setTimeout(run, hiddenMs)
    else requestAnimationFrame(run)
  }
}
