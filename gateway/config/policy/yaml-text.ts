/**
 * YAML to plain values, with the place of each.
 *
 * The package's own conversion is not used: it makes `1e3:` the key `1000`, lets `__proto__` be a key, and loses the
 * places. Here a key is what was written, and every value costs one of a bounded number, those counted again that an
 * alias repeats. The package's messages are not used either: they quote the text, which may be a key in the wrong place.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import { depthMax, nodesMax } from './bounds.ts'
import type { Path, Position, Problem } from './problem.ts'

export type YamlText =
  | {
      readonly kind: 'ok'
      readonly value: unknown
      /** Where the value is that the path leads to; where it leads nowhere, the last one on the way. */
      locate(path: Path): Position
      /** Where a mapping's key is. */
      locateKey(path: Path): Position
    }
  | { readonly kind: 'wrong'; readonly problems: readonly Problem[] }

/** Never throws. Problems have their places. */
export function readYaml(text: string): YamlText {
  const lines = new LineCounter()
  const positionOf = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  const wrong = (words: string, offset: number): Problem => ({ path: [], words, at: positionOf(offset) })
  try {
    const document = parseDocument<ParsedNode>(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      version: '1.2',
    })
    // What comes after the first is mostly its consequence.
    const fault = document.errors[0] ?? document.warnings[0]
    if (fault !== undefined) return { kind: 'wrong', problems: [wrong(wordsOf(fault.code), fault.pos[0])] }
    const reader = new Reader()
    const value = reader.read(document.contents, 0)
    if (reader.faults.length > 0)
      return { kind: 'wrong', problems: reader.faults.map(({ words, offset }) => wrong(words, offset)) }
    return {
      kind: 'ok',
      value,
      locate: (path) => positionOf(reader.offsetOf(value, path).value),
      locateKey: (path) => positionOf(reader.offsetOf(value, path).key),
    }
  } catch {
    // The parser calls itself for what lies in one another; so deep is no configuration.
    return { kind: 'wrong', problems: [wrong('cannot be read as YAML; see whether its lists and mappings end', 0)] }
  }
}

interface Offsets {
  readonly key: number
  readonly value: number
}

class Reader {
  readonly faults: { readonly words: string; readonly offset: number }[] = []
  readonly #anchors = new Map<string, ParsedNode>()
  /** Of each list and mapping that was made, where its entries were. */
  readonly #places = new WeakMap<object, Map<string | number, Offsets>>()
  #nodesLeft = nodesMax

  read(node: ParsedNode | null, depth: number): unknown {
    if (node === null) return null
    this.#nodesLeft -= 1
    if (this.#nodesLeft < 0) return this.#fault('has too many values, aliases counted in; shorten it', node)
    if (depth > depthMax) return this.#fault(`lies more than ${depthMax} deep; lists and mappings need less`, node)
    if (isAlias(node)) return this.#alias(node.source, node, depth)
    if (node.tag !== undefined && !coreTag.test(node.tag)) return this.#fault(wordsOf('TAG_RESOLVE_FAILED'), node)
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node)
    if (isScalar(node)) return node.value
    if (isSeq(node)) return this.#list(node.items, depth)
    return this.#mapping(node, depth)
  }

  offsetOf(root: unknown, path: Path): Offsets {
    let here = root
    let found: Offsets = { key: 0, value: 0 }
    for (const part of path) {
      const next = typeof here === 'object' && here !== null ? this.#places.get(here)?.get(part) : undefined
      if (next === undefined) return found
      found = next
      // The places are of what was made here, so that the part is an own key of it.
      here = (here as Record<string | number, unknown>)[part]
    }
    return found
  }

  #alias(name: string, node: ParsedNode, depth: number): unknown {
    const target = this.#anchors.get(name)
    return target === undefined
      ? this.#fault('is an alias of an anchor that is not there', node)
      : this.read(target, depth + 1)
  }

  #list(items: readonly ParsedNode[], depth: number): unknown {
    const list: unknown[] = []
    const places = new Map<string | number, Offsets>()
    for (const [index, item] of items.entries()) {
      if (this.#nodesLeft < 0) break
      places.set(index, { key: offsetIn(item), value: offsetIn(item) })
      list.push(this.read(item, depth + 1))
    }
    this.#places.set(list, places)
    return list
  }

  #mapping(node: ParsedNode, depth: number): unknown {
    const mapping: Record<string, unknown> = Object.create(null)
    const places = new Map<string | number, Offsets>()
    if (!isMap<ParsedNode, ParsedNode | null>(node)) return mapping
    for (const { key, value } of node.items) {
      if (this.#nodesLeft < 0) break
      const name = this.#name(key)
      if (name === undefined) continue
      if (places.has(name)) this.#fault('is a key for the second time; remove one of the two', key)
      places.set(name, { key: offsetIn(key), value: offsetIn(value ?? key) })
      mapping[name] = this.read(value, depth + 1)
    }
    this.#places.set(mapping, places)
    return mapping
  }

  /** As it was written: `no`, `1e3` and `0x10` are names like others. */
  #name(key: ParsedNode): string | undefined {
    const name = isScalar(key) ? (key.source ?? String(key.value)) : undefined
    if (name !== undefined && name !== '' && name !== '__proto__') return name
    this.#fault('is no key; a key is a name', key)
    return undefined
  }

  #fault(words: string, node: ParsedNode): undefined {
    // One is enough of what would come for every further value.
    if (this.#nodesLeft >= -1) this.faults.push({ words, offset: offsetIn(node) })
    return undefined
  }
}

const coreTag = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/

const offsetIn = (node: ParsedNode): number => node.range[0]

function wordsOf(code: string): string {
  if (code === 'TAB_AS_INDENT') return 'is indented with a tab; use blanks'
  if (code === 'MULTIPLE_DOCS') return 'has more than one document; remove the line `---` and what is after it'
  if (code === 'TAG_RESOLVE_FAILED')
    return 'has a tag (`!…`) that means nothing here; remove it, or put the text in quotes'
  if (code === 'BAD_INDENT') return 'is no YAML here: the indentation fits nothing above'
  if (code === 'BLOCK_AS_IMPLICIT_KEY' || code === 'MULTILINE_IMPLICIT_KEY')
    return 'is no YAML here: a second `: ` on a line, or text that goes on; put the text in quotes'
  if (code === 'BAD_SCALAR_START') return 'is no YAML here: the text begins with a special character; put it in quotes'
  if (code === 'MISSING_CHAR') return 'is no YAML here: a quote, bracket, comma or colon is missing'
  return 'is no YAML here; see its quotes, colons and indentation'
}
