import type { ComponentChildren } from 'preact'

export interface IconButtonProps {
  /** Its name, also shown as a tip. */
  readonly label: string
  readonly onClick: () => void
  readonly children: ComponentChildren
  readonly class?: string
  readonly isPressed?: boolean
  readonly isExpanded?: boolean
  readonly controls?: string
}

export function IconButton({ label, onClick, children, isPressed, isExpanded, controls, ...rest }: IconButtonProps) {
  return (
    <button
      type="button"
      class={`icon-button ${rest.class ?? ''}`}
      title={label}
      aria-label={label}
      aria-pressed={isPressed}
      aria-expanded={isExpanded}
      aria-controls={controls}
      onClick={onClick}
    >
      {children}
    </button>
  )
}
