import { maskedText } from '../raw-socket.ts'

/**
 * Texts of 1 MiB that are cheap to send and may be dear to read, one for each way in which a parser or a schema can do
 * more work than a byte pays for.
 */
export const shapeBytes = 1024 * 1024 - 64

export const shapes = {
  'metadata-lists': () => update(entries((n) => `"k${n}":[]`)),
  'metadata-values': () => update(entries((n) => `"k${n}":0`)),
  'metadata-bad-keys': () => update(entries((n) => `"-${n}":0`)),
  'metadata-long-key': () => update(`"${'k'.repeat(shapeBytes - 128)}":0`),
  'deep-lists': () => request(`"x":${nested('[', ']')}`),
  'deep-objects': () => request(`"x":${nested('{"a":', '}', '0')}`),
  'unknown-keys': () => request(entries((n) => `"k${n}":[]`)),
  'integer-keys': () => request(`"x":{${entries((n) => `"${n * 7919}":0`)}}`),
  'long-numbers': () => request(`"x":[${filled('1e308,', shapeBytes / 2)}1,${'9'.repeat(shapeBytes / 2 - 128)}]`),
  escapes: () => request(`"x":"${'\\u0041'.repeat(Math.floor((shapeBytes - 128) / 6))}"`),
  'lone-surrogates': () => request(`"x":"${'\\ud800'.repeat(Math.floor((shapeBytes - 128) / 6))}"`),
  'duplicate-keys': () => request(`${filled('"x":[],', shapeBytes)}"x":0`),
  'many-cursors': () =>
    `{"type":"session.open","id":"1","cursor":{"seq":1,"mark":1,"ends":[${filled('-1,', shapeBytes)}0]}}`,
  'cut-off': () => update(entries((n) => `"k${n}":[]`)).slice(0, -2),
} as const satisfies Record<string, () => string>

export type ShapeName = keyof typeof shapes

/** The shape as a masked frame, made once: a mix sends it from many addresses. */
export function shapeFrame(name: ShapeName): Buffer {
  const made = frames.get(name) ?? maskedText(shapes[name]())
  frames.set(name, made)
  return made
}

const frames = new Map<ShapeName, Buffer>()

export const shapeNames = Object.keys(shapes).filter(isShapeName)

function isShapeName(name: string): name is ShapeName {
  return Object.hasOwn(shapes, name)
}

function update(metadata: string): string {
  return `{"type":"session.update","id":"1","session":"s","metadata":{${metadata}}}`
}

function request(fields: string): string {
  return `{"type":"ping","id":"1",${fields}}`
}

/** As many entries, separated by commas, as fit. */
function entries(entry: (n: number) => string): string {
  const all: string[] = []
  let bytes = 128
  for (let n = 0; ; n++) {
    const text = entry(n)
    bytes += text.length + 1
    if (bytes > shapeBytes) return all.join(',')
    all.push(text)
  }
}

/** A piece again and again, with room for what stands around it. */
function filled(piece: string, bytes: number): string {
  return piece.repeat(Math.floor((bytes - 128) / piece.length))
}

function nested(open: string, close: string, inside = ''): string {
  const depth = Math.floor((shapeBytes - 128) / (open.length + close.length))
  return open.repeat(depth) + inside + close.repeat(depth)
}
