/**
 * What is wrong with a manifest, by Kubernetes' own schemas. The package kubernetes-models has them compiled by ajv, one
 * validator for each kind; its neighbour has those of the Prometheus operator.
 *
 * The schemas allow fields that they do not know, and the API server drops those: a misspelt `readinesProbe` would be a
 * pod without one, and no error. But a validator reads every field that its schema names. So it is given a manifest that
 * notes what is read of it, and what nobody read is a field that Kubernetes does not know.
 */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Node } from './helm.ts'

const packages = path.join(import.meta.dirname, 'node_modules')
const schemas = ['kubernetes-models', '@kubernetes-models/prometheus-operator']

/** The problems, each with its place; none: Kubernetes would take the manifest as it is. */
export async function schemaProblems(manifest: Node): Promise<string[]> {
  const { apiVersion, kind } = manifest
  const validate = await validatorOf(String(apiVersion), String(kind))
  if (validate === undefined) return [`${apiVersion} ${kind} is no kind that Kubernetes has`]
  const unread = new Set<string>()
  const problem = validate(noting(manifest, '', unread))
  const unknown = [...unread].map((field) => `${field} is unknown`)
  return problem === undefined ? unknown : [problem, ...unknown]
}

type Validate = (manifest: unknown) => string | undefined

async function validatorOf(apiVersion: string, kind: string): Promise<Validate | undefined> {
  const files = schemas.map((name) => path.join(packages, name, apiVersion, `${kind}.js`))
  const file = files.find((candidate) => existsSync(candidate))
  if (file === undefined) return undefined
  const module: Record<string, { readonly prototype: { validate(this: unknown): void } }> = await import(
    /* @vite-ignore */ pathToFileURL(file).href
  )
  return (manifest) => {
    try {
      module[kind]?.prototype.validate.call(manifest)
      return undefined
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
}

/** `value`, which takes each of its fields out of `unread` as that is read. */
function noting(value: unknown, place: string, unread: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const placeOf = (key: string) => `${place}/${key}`
  const read = new Map<string, unknown>()
  for (const key of Object.keys(value)) unread.add(placeOf(key))
  return new Proxy(value, {
    get(target, key) {
      const field: unknown = Reflect.get(target, key)
      if (typeof key !== 'string' || !Object.hasOwn(target, key) || (Array.isArray(target) && key === 'length'))
        return field
      unread.delete(placeOf(key))
      if (!read.has(key)) read.set(key, noting(field, placeOf(key), unread))
      return read.get(key)
    },
  })
}
