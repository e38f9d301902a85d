/** The secrets and files that `sluice.yaml` names, each with its place in it. */
import { dirname, resolve } from 'node:path'
import type { Environment } from '../../config.ts'
import { proxyWords, readProxy } from '../proxies.ts'
import { Secret } from '../secret.ts'
import { namedFilesMax, pemFileBytes, secretFileBytes, wordLength, wordsFileBytes, wordsMax } from './bounds.ts'
import { certificateWords, keyPairWords } from './connection-files.ts'
import { type FileText, readFileText } from './file-text.ts'
import type { Path, Problem } from './problem.ts'
import { privaciesOf } from './references.ts'
import type { PolicyFile, SecretReference } from './schema.ts'
import { readSecret, type SecretFiles, secretFileWords } from './secret-files.ts'

/** A file's path is from the folder of the file that names it. */
export const besides = (configFile: string, path: string): string => resolve(dirname(resolve(configFile)), path)

type Placed<T> = readonly [Path, T]

function secretsIn(file: PolicyFile): readonly Placed<SecretReference>[] {
  const keys = Object.entries(file.targets ?? {}).flatMap(([name, { keys = [] }]) =>
    keys.map((key, index): Placed<SecretReference> => [['targets', name, 'keys', index], key]),
  )
  const requests = Object.entries(file.targets ?? {}).flatMap(([name, { request, connection }]) => {
    const headers = Object.entries(request.headers).map(
      ([header, value]) => [['targets', name, 'request', 'headers', header], value] as const,
    )
    const proxy = [['targets', name, 'connection', 'proxy'], connection.proxy] as const
    return [...headers, proxy].flatMap(([path, value]): Placed<SecretReference>[] =>
      typeof value === 'object' ? [[path, value]] : [],
    )
  })
  const moderators = privaciesOf(file).flatMap(([path, { filter }]): Placed<SecretReference>[] => {
    const key = filter?.moderation?.key
    return key === undefined ? [] : [[[...path, 'filter', 'moderation', 'key'], key]]
  })
  return [...keys, ...requests, ...moderators]
}

/** Files of certificates and their keys. */
function pemFilesIn(file: PolicyFile): readonly Placed<string>[] {
  return Object.entries(file.targets ?? {}).flatMap(([name, { connection }]) =>
    (['caFile', 'certFile', 'keyFile'] as const).flatMap((setting): Placed<string>[] => {
      const path = connection[setting]
      return path === undefined ? [] : [[['targets', name, 'connection', setting], path]]
    }),
  )
}

function wordsFilesIn(file: PolicyFile): readonly Placed<string>[] {
  return privaciesOf(file).flatMap(([path, { filter }]): Placed<string>[] =>
    filter?.wordsFile === undefined ? [] : [[[...path, 'filter', 'wordsFile'], filter.wordsFile]],
  )
}

export interface NamedFiles {
  /** By absolute path. */
  readonly secrets: ReadonlyMap<string, FileText>
  readonly words: ReadonlyMap<string, FileText>
  readonly pems: ReadonlyMap<string, FileText>
}

/** Reads what the file names, and `more` files of secrets. At most `namedFilesMax` in all; the others are as if absent. */
export async function readNamedFiles(
  configFile: string,
  file: PolicyFile | undefined,
  more: readonly string[],
): Promise<NamedFiles> {
  const named =
    file === undefined ? [] : secretsIn(file).flatMap(([, { file: path }]) => (path === undefined ? [] : [path]))
  const secretPaths = new Set([...more, ...named.map((path) => besides(configFile, path))])
  const wordsPaths = new Set(
    (file === undefined ? [] : wordsFilesIn(file)).map(([, path]) => besides(configFile, path)),
  )
  const pemPaths = new Set((file === undefined ? [] : pemFilesIn(file)).map(([, path]) => besides(configFile, path)))
  return {
    secrets: await readAll(secretPaths, secretFileBytes),
    words: await readAll(wordsPaths, wordsFileBytes),
    pems: await readAll(pemPaths, pemFileBytes),
  }
}

async function readAll(paths: ReadonlySet<string>, bytesMax: number): Promise<ReadonlyMap<string, FileText>> {
  const texts = new Map<string, FileText>()
  for (const path of [...paths].slice(0, namedFilesMax)) texts.set(path, await readFileText(path, bytesMax))
  return texts
}

export interface Resolved {
  readonly problems: readonly Problem[]
  secretOf(reference: SecretReference): Secret
  wordsOf(path: string): readonly string[]
  pemOf(path: string): string
  /** Absolute paths of the files that secrets are in. */
  readonly secretPaths: ReadonlySet<string>
}

/** Finds the values of the references. The two functions are for a file without problems. */
export function resolveReferences(
  configFile: string,
  file: PolicyFile,
  environment: Environment,
  files: NamedFiles,
  cells: SecretFiles,
): Resolved {
  const problems: Problem[] = []
  const secrets = new Map<SecretReference, Secret>()
  const words = new Map<string, readonly string[]>()
  const secretPaths = new Set<string>()
  for (const [path, reference] of secretsIn(file)) {
    const filePath = reference.file === undefined ? undefined : besides(configFile, reference.file)
    if (filePath !== undefined) secretPaths.add(filePath)
    const read = filePath === undefined ? fromVariable(environment, reference.env) : fromFile(filePath, files, cells)
    if (read instanceof Secret) secrets.set(reference, read)
    else problems.push({ path: [...path, filePath === undefined ? 'env' : 'file'], words: read })
  }
  for (const [path, wordsFile] of wordsFilesIn(file)) {
    const read = wordsIn(files.words.get(besides(configFile, wordsFile)))
    if (typeof read === 'string') problems.push({ path, words: read })
    else words.set(wordsFile, read)
  }
  const pems = new Map<string, string>()
  for (const [path, pemFile] of pemFilesIn(file)) {
    const read = readPem(files.pems.get(besides(configFile, pemFile)))
    if (read.kind === 'wrong') problems.push({ path, words: read.words })
    else pems.set(pemFile, read.text)
  }
  problems.push(...connectionProblems(file, secrets, pems))
  return {
    problems,
    secretOf: (reference) => found(secrets.get(reference)),
    wordsOf: (path) => found(words.get(path)),
    pemOf: (path) => found(pems.get(path)),
    secretPaths,
  }
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('unable to build the policy: a reference was not resolved')
  return value
}

/** What is wrong where there is no secret. The variable's name is not said: it may be the key itself. */
function fromVariable(environment: Environment, name: string | undefined): Secret | string {
  const text = name === undefined ? undefined : environment[name]
  if (text === undefined || text.trim() === '') return 'names a variable that is not set; set it, or name another'
  const read = readSecret(text, 'names a variable')
  return read.kind === 'ok' ? new Secret(read.value) : read.words
}

function fromFile(path: string, files: NamedFiles, cells: SecretFiles): Secret | string {
  return secretFileWords(files.secrets.get(path)) ?? found(cells.secretOf(path))
}

type PemRead = { readonly kind: 'ok'; readonly text: string } | { readonly kind: 'wrong'; readonly words: string }

function readPem(file: FileText | undefined): PemRead {
  if (file === undefined || file.kind === 'absent')
    return { kind: 'wrong', words: 'names a file that is not there; make it, or change the path' }
  return file.kind === 'text'
    ? { kind: 'ok', text: file.text }
    : { kind: 'wrong', words: `names a file that ${file.words}` }
}

/** What is wrong with certificates, keys and proxies that were found. */
function connectionProblems(
  file: PolicyFile,
  secrets: ReadonlyMap<SecretReference, Secret>,
  pems: ReadonlyMap<string, string>,
): readonly Problem[] {
  return Object.entries(file.targets ?? {}).flatMap(([name, { connection }]) => {
    const { proxy, caFile = '', certFile = '', keyFile = '' } = connection
    const secretProxy = typeof proxy === 'object' ? secrets.get(proxy)?.reveal() : undefined
    const wrong: readonly (readonly [string, string | undefined])[] = [
      ['proxy', secretProxy === undefined || readProxy(secretProxy) !== undefined ? undefined : proxyWords],
      ['caFile', certificateWords(pems.get(caFile))],
      ['keyFile', keyPairWords(pems.get(certFile), pems.get(keyFile))],
    ]
    return wrong.flatMap(([setting, words]): Problem[] =>
      words === undefined ? [] : [{ path: ['targets', name, 'connection', setting], words }],
    )
  })
}

function wordsIn(file: FileText | undefined): readonly string[] | string {
  if (file === undefined || file.kind === 'absent') return 'names a file that is not there; make it, or change the path'
  if (file.kind === 'wrong') return `names a file that ${file.words}`
  const lines = file.text.split('\n').map((line) => line.trim())
  const words = lines.filter((line) => line !== '' && !line.startsWith('#'))
  if (words.length > wordsMax) return `names a file with more than ${wordsMax} words; shorten it`
  if (words.some((word) => word.length > wordLength))
    return `names a file with a line of more than ${wordLength} characters; shorten it`
  return words
}
