import { useLayoutEffect, useRef } from 'preact/hooks'

export interface TokenFormProps {
  readonly wasRefused: boolean
  readonly onToken: (token: string) => void
}

/** Asks for a token where the gateway has no address that gives one. */
export function TokenForm({ wasRefused, onToken }: TokenFormProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  const cover = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    // A modal dialog keeps the focus from what is behind it.
    cover.current?.showModal()
    field.current?.focus()
  }, [])
  return (
    <dialog class="cover" ref={cover} aria-labelledby="token-title" onCancel={(event) => event.preventDefault()}>
      <form
        class="token-form"
        onSubmit={(event) => {
          event.preventDefault()
          onToken(field.current?.value ?? '')
        }}
      >
        <h2 id="token-title">Sign in with a token</h2>
        {wasRefused ? (
          <p role="alert">The server did not accept the last token. It may have expired.</p>
        ) : (
          <p>This server expects a token from whoever runs it.</p>
        )}
        <label for="token">Token</label>
        <textarea id="token" ref={field} rows={4} spellcheck={false} autocomplete="off" placeholder="eyJ…" />
        <button type="submit" class="button button-main">
          Connect
        </button>
        <p class="note">It is kept in this tab until you close it.</p>
      </form>
    </dialog>
  )
}
