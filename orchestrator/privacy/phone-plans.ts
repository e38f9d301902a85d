/**
 * Which digits are a telephone number, by the numbering plans of `libphonenumber-js`.
 *
 * The package's own finder and parser take 100 µs and more for a number, 950 ms for 128 KiB full of them. Its metadata is
 * all that is needed here: a number is valid when one of its plan's patterns matches, which takes less than a microsecond.
 */
import type { CountryCode } from 'libphonenumber-js/core'
import { Metadata } from 'libphonenumber-js/max'
import metadataJson from 'libphonenumber-js/max/metadata'

/** What the package's types leave out of a numbering plan. */
interface Plan {
  nationalNumberPattern(): string
  nationalPrefix(): string | undefined
  possibleLengths(): readonly number[]
  type(name: string): { pattern(): string | undefined } | undefined
}

interface Numbers {
  readonly pattern: RegExp
  readonly lengths: ReadonlySet<number>
}

/** `possible`: of a length that is possible there, but of no range that was given out. */
export type Verdict = 'valid' | 'possible' | 'none'

const kinds = ['FIXED_LINE', 'MOBILE', 'TOLL_FREE', 'PREMIUM_RATE', 'SHARED_COST', 'VOIP', 'UAN', 'PAGER']
const callingCodes = new Map<string, readonly CountryCode[]>(Object.entries(metadataJson.country_calling_codes))
const byCallingCode = new Map<string, Numbers>()
const byCountries = new Map<readonly CountryCode[], Numbers>()
const metadata = new Metadata()

/** Of the digits after the plus: the calling code and the national number. */
export function internationalVerdict(digits: string): Verdict {
  for (let length = 1; length <= 3; length++) {
    const code = digits.slice(0, length)
    const countries = callingCodes.get(code)
    if (countries === undefined) continue
    return verdictOf(numbersOf(byCallingCode, code, countries), digits.slice(length))
  }
  return 'none'
}

/** Of a national number without its trunk prefix, in one of the countries: a list that is made once. */
export function isValidIn(countries: readonly CountryCode[], digits: string): boolean {
  return verdictOf(numbersOf(byCountries, countries, countries), digits) === 'valid'
}

function verdictOf({ pattern, lengths }: Numbers, national: string): Verdict {
  if (!lengths.has(national.length)) return 'none'
  return pattern.test(national) ? 'valid' : 'possible'
}

/** Read when it is first asked for: all plans together take tens of milliseconds. */
function numbersOf<K>(known: Map<K, Numbers>, key: K, countries: readonly CountryCode[]): Numbers {
  const before = known.get(key)
  if (before !== undefined) return before
  const plans = countries.map(planOf)
  const patterns = new Set(plans.flatMap(patternsOf))
  const numbers = {
    pattern: new RegExp(`^(?:${[...patterns].join('|')})$`),
    lengths: new Set(plans.flatMap((plan) => plan.possibleLengths())),
  }
  known.set(key, numbers)
  return numbers
}

function planOf(country: CountryCode): Plan {
  metadata.selectNumberingPlan(country)
  // The methods are there in every version of the package that has `Metadata`; a test compares with its parser.
  return metadata.numberingPlan as unknown as Plan
}

function patternsOf(plan: Plan): string[] {
  const patterns = kinds.map((kind) => plan.type(kind)?.pattern()).filter((pattern) => pattern !== undefined)
  return patterns.length > 0 ? patterns : [plan.nationalNumberPattern()]
}
