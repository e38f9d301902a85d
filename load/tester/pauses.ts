/** Waits for what may never come. @throws what `late` makes when it has not come in time. */
export async function within<T>(ms: number, coming: Promise<T>, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  return Promise.race([coming, tooLate]).finally(() => clearTimeout(timer))
}

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
