import { useEffect, useState } from 'preact/hooks'
import { copyText } from '../markdown/copy-button.ts'
import { IconButton } from './icon-button.tsx'
import { CheckIcon, CopyIcon } from './icons.tsx'

/** How long the button says that it worked, in milliseconds. */
const thanksMs = 1_600

export function CopyAnswer({ text }: { readonly text: string }) {
  const [label, setLabel] = useState('Copy answer')
  useEffect(() => {
    if (label === 'Copy answer') return
    const timer = setTimeout(() => setLabel('Copy answer'), thanksMs)
    return () => clearTimeout(timer)
  }, [label])
  const copy = () => {
    copyText(text).then(
      () => setLabel('Copied'),
      () => setLabel('Unable to copy'),
    )
  }
  return (
    <IconButton label={label} onClick={copy}>
      {label === 'Copied' ? <CheckIcon /> : <CopyIcon />}
    </IconButton>
  )
}
