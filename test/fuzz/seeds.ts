/**
 * Inputs that once broke a parser, or might again: `seeds/<target>/<name>.json`, a recipe each. Every run begins with them.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type Recipe, readRecipe } from './recipe.ts'

export interface Seed {
  readonly name: string
  readonly recipe: Recipe
}

export const seedsFolder = path.join(import.meta.dirname, 'seeds')

export function readSeeds(target: string, folder = seedsFolder): readonly Seed[] {
  const place = path.join(folder, target)
  if (!existsSync(place)) return []
  return readdirSync(place)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({ name, recipe: readRecipe(readFileSync(path.join(place, name), 'utf8')) }))
}

/** Answers the file. The same recipe is the same file. */
export function writeSeed(target: string, recipe: Recipe, folder = seedsFolder): string {
  const place = path.join(folder, target)
  const text = `${JSON.stringify(recipe, undefined, 2)}\n`
  const file = path.join(place, `found-${createHash('sha256').update(text).digest('hex').slice(0, 10)}.json`)
  mkdirSync(place, { recursive: true })
  writeFileSync(file, text)
  return file
}
