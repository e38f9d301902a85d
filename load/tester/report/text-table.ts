/** Columns of text: the first to the left, the others to the right. Without any row there is no table. */
export function textTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  if (rows.length === 0) return []
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]) => {
    const padded = widths.map((width, column) => {
      const cell = cells[column] ?? ''
      return column === 0 ? cell.padEnd(width) : cell.padStart(width)
    })
    return `  ${padded.join('  ')}`.trimEnd()
  }
  return [line(head), ...rows.map(line)]
}
