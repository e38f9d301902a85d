/** The browser's storage, where it may be switched off or full: then the page forgets, and works. */
export interface Storage {
  read(key: string): string | undefined
  /** `undefined` removes it. */
  write(key: string, value: string | undefined): void
}

const prefix = 'sluice.'

function storage(area: 'localStorage' | 'sessionStorage'): Storage {
  return {
    read(key) {
      try {
        return globalThis[area].getItem(prefix + key) ?? undefined
      } catch {
        return undefined
      }
    },
    write(key, value) {
      try {
        if (value === undefined) globalThis[area].removeItem(prefix + key)
        else globalThis[area].setItem(prefix + key, value)
      } catch {
        // Off or full: nothing is kept, which is all that can be done.
      }
    },
  }
}

/** Shared by the tabs, and kept. */
export const browserStorage = storage('localStorage')
/** Of this tab, until it is closed. */
export const tabStorage = storage('sessionStorage')
