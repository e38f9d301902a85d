import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const operations = join(import.meta.dirname, '..', '..', 'docs', 'OPERATIONS.md')

/** The line of Redis' ACL that docs/OPERATIONS.md gives to operators, as words. */
export function sluiceUser(): readonly string[] {
  const line = /^user (sluice on >password .*)$/m.exec(readFileSync(operations, 'utf8'))?.[1]
  if (line === undefined) throw new Error('docs/OPERATIONS.md has no line of the ACL')
  return line.split(' ')
}

/** What the same document says that it needs in a cluster beside that. */
export function sluiceUserOfCluster(): readonly string[] {
  const sentence = /^.*In a cluster it also needs (.*)$/m.exec(readFileSync(operations, 'utf8'))?.[1]
  if (sentence === undefined) throw new Error('docs/OPERATIONS.md does not say what a cluster needs')
  return [...sluiceUser(), ...[...sentence.matchAll(/`(\+[^`]+)`/g)].map(([, word = '']) => word)]
}
