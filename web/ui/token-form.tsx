import { useLayoutEffect, useRef } from 'preact/hooks'

export interface TokenFormProps {
  readonly wasRefused: boolean
  readonly onToken: (token: string) => void
}

/** Asks for a token where the gateway has no address that gives one. */
export function TokenForm({ wasRefused, onToken }: TokenFormProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  useLayoutEffect(() => field.current?.focus(), [])
  return (
    <div class="cover">
      <form
        class="token-form"
        aria-labelledby="token-title"
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
    </div>
  )
}
