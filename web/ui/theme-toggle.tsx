import { useState } from 'preact/hooks'
import { browserStorage } from '../chat/storage.ts'
import { IconButton } from './icon-button.tsx'
import { MoonIcon, SunIcon } from './icons.tsx'

/** The other theme. What the system says is followed until the user chooses, and again when both agree. */
export function ThemeToggle() {
  const [isDark, setDark] = useState(isDarkNow)
  const toggle = () => {
    const next = isDark ? 'light' : 'dark'
    const isSystem = systemIsDark() === (next === 'dark')
    if (isSystem) delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = next
    browserStorage.write('theme', isSystem ? undefined : next)
    setDark(!isDark)
  }
  return (
    <IconButton label={isDark ? 'Light theme' : 'Dark theme'} onClick={toggle}>
      {isDark ? <SunIcon /> : <MoonIcon />}
    </IconButton>
  )
}

function isDarkNow(): boolean {
  const chosen = document.documentElement.dataset.theme
  return chosen === undefined ? systemIsDark() : chosen === 'dark'
}

function systemIsDark(): boolean {
  return matchMedia('(prefers-color-scheme: dark)').matches
}
