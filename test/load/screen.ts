/** As much of a terminal as progress uses: what is on it after everything that was written. */
export class Screen {
  readonly isTTY = true
  columns: number
  written = ''
  readonly #lines: string[] = ['']
  #row = 0
  #column = 0

  constructor(columns: number) {
    this.columns = columns
  }

  write(text: string): boolean {
    this.written += text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal is driven by them.
    for (const [token] of text.matchAll(/\x1b\[\??[\d;]*[A-Za-z]|[^\x1b]/gu)) this.#take(token)
    return true
  }

  get lines(): readonly string[] {
    return this.#lines.map((line) => line.trimEnd())
  }

  get isCursorHidden(): boolean {
    return this.written.lastIndexOf('\x1b[?25l') > this.written.lastIndexOf('\x1b[?25h')
  }

  #take(token: string): void {
    if (token === '\n') this.#moveTo(this.#row + 1)
    else if (token === '\r') this.#column = 0
    else if (token === '\x1b[K') this.#lines[this.#row] = this.#line.slice(0, this.#column)
    else if (token === '\x1b[J')
      this.#lines.splice(this.#row, Number.POSITIVE_INFINITY, this.#line.slice(0, this.#column))
    else if (token.endsWith('A')) this.#row = Math.max(0, this.#row - Number(token.slice(2, -1)))
    else if (!token.startsWith('\x1b')) this.#put(token)
  }

  #moveTo(row: number): void {
    this.#row = row
    this.#column = 0
    while (this.#lines.length <= row) this.#lines.push('')
  }

  #put(character: string): void {
    if (this.#column === this.columns) this.#moveTo(this.#row + 1)
    const line = this.#line.padEnd(this.#column)
    this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1)
    this.#column += 1
  }

  get #line(): string {
    return this.#lines[this.#row] ?? ''
  }
}
