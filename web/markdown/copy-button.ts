/** How long a button says that it worked, in milliseconds. */
const thanksMs = 1_600

/** A button made without the component library, for what is rendered outside of it. */
export function copyButton(label: string, textOf: () => string): HTMLButtonElement {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = 'Copy'
  button.setAttribute('aria-label', label)
  button.addEventListener('click', () => {
    copyText(textOf()).then(
      () => say(button, 'Copied'),
      () => say(button, 'Unable to copy'),
    )
  })
  return button
}

/** Rejects when the browser does not let a page copy. */
export async function copyText(text: string): Promise<void> {
  // Missing on plain http other than localhost.
  if (navigator.clipboard !== undefined) return navigator.clipboard.writeText(text)
  const area = document.createElement('textarea')
  area.value = text
  area.className = 'off-screen'
  document.body.append(area)
  area.select()
  const hasCopied = document.execCommand('copy')
  area.remove()
  if (!hasCopied) throw new Error('unable to copy: the browser refused')
}

function say(button: HTMLButtonElement, text: string): void {
  button.textContent = text
  setTimeout(() => {
    button.textContent = 'Copy'
  }, thanksMs)
}
