import { useLayoutEffect, useRef } from 'preact/hooks'
import { MarkdownView } from '../markdown/markdown-view.ts'

/** The text of an answer. What is inside the element is the Markdown view's, and nothing to the component library. */
export function Answer({ text, isFinal }: { readonly text: string; readonly isFinal: boolean }) {
  const root = useRef<HTMLDivElement>(null)
  const view = useRef<MarkdownView | undefined>(undefined)
  useLayoutEffect(() => {
    if (root.current === null) return
    view.current ??= new MarkdownView(root.current)
    view.current.update(text, isFinal)
  }, [text, isFinal])
  useLayoutEffect(() => () => view.current?.dispose(), [])
  return <div ref={root} class="markdown" data-testid="answer" />
}
