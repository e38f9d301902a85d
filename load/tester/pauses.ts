/** Waits, at most until the signal; answers whether it waited to the end. */
export function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false)
  if (ms <= 0) return Promise.resolve(true)
  return new Promise((resolve) => {
    const end = (isWhole: boolean) => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abort)
      resolve(isWhole)
    }
    const abort = () => end(false)
    const timer = setTimeout(() => end(true), ms)
    signal.addEventListener('abort', abort, { once: true })
  })
}
