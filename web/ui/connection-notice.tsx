import { useEffect, useState } from 'preact/hooks'
import type { SluiceClient } from '../../client/index.ts'
import type { Connection } from '../chat/connection.ts'
import type { Source } from '../chat/source.ts'
import { describeConnection } from '../chat/words.ts'
import { useSource } from './use-source.ts'

/** A connection that comes back within this is not talked about, in milliseconds. */
const patienceMs = 700

export interface ConnectionNoticeProps {
  readonly connection: Source<Connection>
  readonly client: SluiceClient
}

/** Quiet while all is well; otherwise what is wrong, since when, and when the next try is. */
export function ConnectionNotice({ connection, client }: ConnectionNoticeProps) {
  const { state, lostMs, isOffline } = useSource(connection)
  const isWell = state.kind === 'online' || state.kind === 'idle'
  const [isPatient, setPatient] = useState(true)
  useEffect(() => {
    setPatient(true)
    if (isWell) return
    const timer = setTimeout(() => setPatient(false), patienceMs)
    return () => clearTimeout(timer)
  }, [isWell])
  const text = describeConnection(state, isOffline, lostMs !== undefined)
  const isSilent = text === undefined || isPatient
  const canHurry = state.kind === 'waiting' || state.kind === 'stopped'
  return (
    <div class="notice-place" role="status">
      {!isSilent && (
        <div class="notice" data-testid="notice">
          <span class={state.kind === 'stopped' ? 'dot dot-off' : 'dot'} />
          <span>
            {text}
            {lostMs !== undefined && ` Since ${clockTime(lostMs)}.`}
            {state.kind === 'waiting' && <Countdown untilMs={state.retryAtMs} />}
          </span>
          {canHurry && (
            <button type="button" class="link" onClick={() => client.connect()}>
              {state.kind === 'waiting' ? 'Try now' : 'Connect again'}
            </button>
          )}
        </div>
      )}
    </div>
  )
}

/** Hidden from screen readers, which would read out every second. */
function Countdown({ untilMs }: { readonly untilMs: number }) {
  const [nowMs, setNowMs] = useState(Date.now())
  useEffect(() => {
    setNowMs(Date.now())
    const timer = setInterval(() => setNowMs(Date.now()), 500)
    return () => clearInterval(timer)
  }, [untilMs])
  const seconds = Math.max(0, Math.ceil((untilMs - nowMs) / 1000))
  return <span aria-hidden="true">{seconds === 0 ? ' Trying now…' : ` Trying again in ${seconds} s.`}</span>
}

function clockTime(instantMs: number): string {
  return new Date(instantMs).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}
