import { memo } from 'preact/compat'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { Refusal, TurnView } from '../../client/index.ts'
import { describeEnding, describeRefusal } from '../chat/words.ts'
import { Answer } from './answer.tsx'
import { CopyAnswer } from './copy-answer.tsx'
import { IconButton } from './icon-button.tsx'
import { EditIcon, RetryIcon, ThumbIcon } from './icons.tsx'
import { QuestionEditor } from './question-editor.tsx'

export interface TurnActions {
  retry(turn: TurnView): void
  edit(turn: TurnView, content: string): void
  rate(turn: TurnView, rating: -1 | 0 | 1): Promise<void>
}

export interface TurnProps {
  readonly turn: TurnView
  /** Only the last turn can be asked again. */
  readonly isLast: boolean
  readonly actions: TurnActions
}

/** A message and the answer to it. Drawn again only when its turn is another object. */
export const Turn = memo(function Turn({ turn, isLast, actions }: TurnProps) {
  const [isEditing, setEditing] = useState(false)
  const question = useRef<HTMLDivElement>(null)
  const isOver = isEnded(turn)
  const endEdit = (content?: string) => {
    setEditing(false)
    if (content !== undefined && content !== '') actions.edit(turn, content)
    // The editor is gone: the focus goes back to where it was opened, not to the top of the page.
    requestAnimationFrame(() => question.current?.querySelector('button')?.focus())
  }
  return (
    <article class="turn" data-testid="turn" data-state={turn.state} data-turn={turn.turn}>
      <h2 class="off-screen">You asked</h2>
      <div class="question" ref={question}>
        {isEditing ? (
          <QuestionEditor content={turn.content} onEnd={endEdit} />
        ) : (
          <Question turn={turn} onEdit={isLast && isOver ? () => setEditing(true) : undefined} />
        )}
      </div>
      <h2 class="off-screen">Answer</h2>
      <div class="answer">
        {turn.text !== '' && <Answer text={turn.text} isFinal={isOver} />}
        <Waiting turn={turn} />
        {isFailure(turn) && turn.error !== undefined && (
          <Failure
            error={turn.error}
            hasText={turn.text !== ''}
            onRetry={isLast ? () => actions.retry(turn) : undefined}
          />
        )}
        {!isFailure(turn) && <EndingNote turn={turn} />}
        {isOver && <Tools turn={turn} isLast={isLast} actions={actions} />}
      </div>
    </article>
  )
})

export function isEnded({ state }: TurnView): boolean {
  return state === 'completed' || state === 'cancelled' || state === 'failed'
}

/** An error that says more than a note could. */
function isFailure(turn: TurnView): boolean {
  return turn.state === 'failed' && !isGone(turn)
}

/** The gateway has nothing of it any more: it can neither be rated nor asked again. */
function isGone({ ending }: TurnView): boolean {
  return ending === 'lost' || ending === 'deleted'
}

function EndingNote({ turn }: { readonly turn: TurnView }) {
  const note = describeEnding(turn)
  if (note === undefined) return null
  return (
    <p class="note note-ending" data-testid="ending-note">
      {note}
    </p>
  )
}

function Question({ turn, onEdit }: { readonly turn: TurnView; readonly onEdit: (() => void) | undefined }) {
  return (
    <>
      <p class="question-text" data-testid="question">
        {turn.content}
      </p>
      {onEdit !== undefined && (
        <div class="tools">
          <IconButton label="Edit message" onClick={onEdit}>
            <EditIcon />
          </IconButton>
        </div>
      )}
    </>
  )
}

/** What is shown while there is no text yet. After a while it says that this takes longer. */
function Waiting({ turn }: { readonly turn: TurnView }) {
  if (turn.state === 'unsent') return <p class="note">Not sent yet. It goes out by itself.</p>
  if (turn.text !== '' || isEnded(turn)) return null
  return (
    <p class="thinking" role="img" aria-label="The answer has not begun yet">
      <span />
      <span />
      <span />
    </p>
  )
}

interface FailureProps {
  readonly error: Refusal
  readonly hasText: boolean
  readonly onRetry: (() => void) | undefined
}

function Failure({ error, hasText, onRetry }: FailureProps) {
  const { title, detail } = describeRefusal(error)
  return (
    <div class="failure" role="alert" data-testid="failure">
      <p class="failure-title">{hasText ? `${title} What it had written stays.` : title}</p>
      {detail !== '' && <p>{detail}</p>}
      {onRetry !== undefined && (
        <button type="button" class="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  )
}

function Tools({ turn, isLast, actions }: TurnProps) {
  return (
    <div class={isLast ? 'tools tools-last' : 'tools'}>
      {turn.text !== '' && <CopyAnswer text={turn.text} />}
      {isLast && turn.state !== 'failed' && (
        <IconButton label="Ask again" onClick={() => actions.retry(turn)}>
          <RetryIcon />
        </IconButton>
      )}
      {turn.turn !== undefined && turn.text !== '' && !isGone(turn) && <Thumbs turn={turn} actions={actions} />}
      <span class="facts">{facts(turn)}</span>
    </div>
  )
}

/** Shows what was clicked at once, and what the gateway has when that is refused or another tab changes it. */
function Thumbs({ turn, actions }: Pick<TurnProps, 'turn' | 'actions'>) {
  const given = turn.feedback?.rating ?? 0
  const [rating, setRating] = useState(given)
  const [trouble, setTrouble] = useState('')
  useEffect(() => setRating(given), [given])
  const rate = (clicked: -1 | 1) => {
    const wanted = rating === clicked ? 0 : clicked
    setRating(wanted)
    setTrouble('')
    actions.rate(turn, wanted).catch(() => {
      setRating(given)
      setTrouble('Your rating could not be saved.')
    })
  }
  return (
    <>
      <IconButton label="Good answer" isPressed={rating === 1} onClick={() => rate(1)}>
        <ThumbIcon isDown={false} />
      </IconButton>
      <IconButton label="Bad answer" isPressed={rating === -1} onClick={() => rate(-1)}>
        <ThumbIcon isDown />
      </IconButton>
      {trouble !== '' && (
        <span class="facts" role="status">
          {trouble}
        </span>
      )}
    </>
  )
}

function facts({ model, usage }: TurnView): string {
  const tokens = usage === undefined || usage.source === 'unknown' ? undefined : usage.outputTokens
  const about =
    usage === undefined ? '' : { exact: '', bound: 'at most ', estimated: 'about ', unknown: '' }[usage.source]
  return [model, tokens === undefined ? undefined : `${about}${grouped(tokens)} tokens`]
    .filter((fact) => fact !== undefined)
    .join(' · ')
}

/** With commas. `toLocaleString` takes 50 ms the first time, in the frame in which the answer ends. */
function grouped(count: number): string {
  return String(count).replaceAll(/\B(?=(?:\d{3})+$)/g, ',')
}
