/** So near to the end counts as being there, in pixels. */
const nearPx = 56

/**
 * Where the user reads. At the end, the view follows the growing answer; as soon as the user scrolls up it stays where
 * it is, also when older turns are put before. Only the user's scrolling upwards leaves the end: a scroll event can come
 * after more text has made the page longer, so the distance alone would let the view fall behind by itself.
 */
export interface ScrollKeeper {
  /** `tell` hears whether the view is at its end. Returns how to stop. */
  attach(scroller: HTMLElement, content: HTMLElement, tell: (isAtEnd: boolean) => void): () => void
  toEnd(): void
  /** To be called after the turns were drawn, before the browser shows them. */
  contentChanged(): void
}

export function createScrollKeeper(): ScrollKeeper {
  let scroller: HTMLElement | undefined
  let content: HTMLElement | undefined
  let tell: (isAtEnd: boolean) => void = () => undefined
  let isFollowing = true
  let lastTop = 0
  /** The first turn that was drawn, and where. */
  let anchor: { readonly element: HTMLElement; readonly top: number; readonly bottom: number } | undefined

  function setFollowing(value: boolean): void {
    if (isFollowing === value) return
    isFollowing = value
    tell(value)
  }

  function scrolled(): void {
    if (scroller === undefined) return
    const { scrollTop, scrollHeight, clientHeight } = scroller
    const isNear = scrollHeight - clientHeight - scrollTop <= nearPx
    if (isNear) setFollowing(true)
    else if (scrollTop < lastTop - 1) setFollowing(false)
    lastTop = scrollTop
  }

  function follow(): void {
    if (scroller === undefined || !isFollowing) return
    scroller.scrollTop = scroller.scrollHeight
    lastTop = scroller.scrollTop
  }

  function keepPlace(): void {
    if (scroller !== undefined && anchor?.element.isConnected && !isFollowing) {
      const { top, bottom } = placeOf(anchor.element)
      // What was the first turn may have been half of one, whose question came with the older page.
      const isFirst = firstTurn() === anchor.element
      scroller.scrollTop += isFirst ? top - anchor.top : bottom - anchor.bottom
      lastTop = scroller.scrollTop
    }
    dropAnchor()
  }

  function dropAnchor(): void {
    const element = firstTurn()
    anchor = element && { element, ...placeOf(element) }
  }

  function firstTurn(): HTMLElement | undefined {
    return content?.querySelector<HTMLElement>('.turn') ?? undefined
  }

  /** Within the content, to a fraction of a pixel: rounded ones add up to a visible twitch. */
  function placeOf(element: HTMLElement): { readonly top: number; readonly bottom: number } {
    const { top, bottom } = element.getBoundingClientRect()
    const from = content?.getBoundingClientRect().top ?? 0
    return { top: top - from, bottom: bottom - from }
  }

  return {
    attach(scrollerElement, contentElement, told) {
      scroller = scrollerElement
      content = contentElement
      tell = told
      const observer = new ResizeObserver(() => {
        dropAnchor()
        follow()
      })
      observer.observe(content)
      observer.observe(scroller)
      scroller.addEventListener('scroll', scrolled, { passive: true })
      follow()
      return () => {
        observer.disconnect()
        scroller?.removeEventListener('scroll', scrolled)
        scroller = undefined
      }
    },
    toEnd() {
      setFollowing(true)
      follow()
    },
    contentChanged() {
      keepPlace()
      follow()
    },
  }
}
