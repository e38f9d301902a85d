import { useLayoutEffect, useState } from 'preact/hooks'
import type { Source } from '../chat/source.ts'

/** The source's value; the component is drawn again when it is another one. */
export function useSource<T>(source: Source<T>): T {
  const [value, setValue] = useState(source.current)
  useLayoutEffect(() => {
    const look = () => setValue(() => source.current)
    look()
    return source.subscribe(look)
  }, [source])
  return value
}
