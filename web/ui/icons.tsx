import type { ComponentChildren } from 'preact'

/** Drawn for this page, 20 by 20, in the text's colour. They are decoration: the button around has the name. */
function Icon({ children }: { readonly children: ComponentChildren }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      stroke-width="1.6"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  )
}

export const SendIcon = () => (
  <Icon>
    <path d="M10 16V4.5M4.8 9.6 10 4.4l5.2 5.2" />
  </Icon>
)

export const StopIcon = () => (
  <Icon>
    <rect x="5.5" y="5.5" width="9" height="9" rx="1.8" fill="currentColor" stroke="none" />
  </Icon>
)

export const NewIcon = () => (
  <Icon>
    <path d="M10 4v12M4 10h12" />
  </Icon>
)

export const MenuIcon = () => (
  <Icon>
    <path d="M3.5 6.5h13M3.5 13.5h9" />
  </Icon>
)

export const CloseIcon = () => (
  <Icon>
    <path d="m5 5 10 10M15 5 5 15" />
  </Icon>
)

export const CopyIcon = () => (
  <Icon>
    <rect x="7" y="7" width="9.5" height="9.5" rx="2" />
    <path d="M4.6 13A2 2 0 0 1 3.5 11.2V5.5a2 2 0 0 1 2-2h5.7A2 2 0 0 1 13 4.6" />
  </Icon>
)

export const CheckIcon = () => (
  <Icon>
    <path d="m4.5 10.6 3.6 3.6 7.4-8" />
  </Icon>
)

export const RetryIcon = () => (
  <Icon>
    <path d="M15.9 8.4A6.2 6.2 0 1 0 16.2 11M16.3 4.3v4.2h-4.2" />
  </Icon>
)

export const EditIcon = () => (
  <Icon>
    <path d="m12.6 4.4 3 3L7.2 15.8l-3.7.700.7-3.7z" />
  </Icon>
)

export const DeleteIcon = () => (
  <Icon>
    <path d="M4 5.8h12M8 5.6V3.8h4v1.8M5.6 5.8l.7 10.4h7.4l.7-10.4M8.4 9v4.2M11.6 9v4.2" />
  </Icon>
)

export const ThumbIcon = ({ isDown }: { readonly isDown: boolean }) => (
  <Icon>
    <path
      transform={isDown ? 'rotate(180 10 10)' : ''}
      d="M6.6 9v7.2M6.6 9l3-5.6c1.3 0 2.1.9 1.9 2.2L11.1 8h3.7c1 0 1.7.9 1.5 1.9l-1 4.9c-.2.8-.8 1.4-1.7 1.4H3.8V9z"
    />
  </Icon>
)

export const DownIcon = () => (
  <Icon>
    <path d="M10 4v11.5M4.8 10.4 10 15.6l5.2-5.2" />
  </Icon>
)

export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.2" />
    <path d="M10 2.8v1.4M10 15.8v1.4M2.8 10h1.4M15.8 10h1.4M4.9 4.9l1 1M14.1 14.1l1 1M15.1 4.9l-1 1M5.9 14.1l-1 1" />
  </Icon>
)

export const MoonIcon = () => (
  <Icon>
    <path d="M16.4 11.9A6.8 6.8 0 0 1 8.1 3.6a6.8 6.8 0 1 0 8.3 8.3z" />
  </Icon>
)

export const Logo = () => (
  <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
    <rect class="logo-ground" width="32" height="32" rx="8" />
    <g class="logo-waves" fill="none" stroke-width="2.6" stroke-linecap="round">
      <path d="M7 11.5c3-2.4 6-2.4 9 0s6 2.4 9 0" />
      <path d="M7 17.5c3-2.4 6-2.4 9 0s6 2.4 9 0" opacity=".75" />
      <path d="M7 23.5c3-2.4 6-2.4 9 0" opacity=".5" />
    </g>
  </svg>
)
