import { providerWord } from './provider-word.ts'

/**
 * Why a model ended its answer, in one spelling. Providers write the same reason in many ways; a reason that is not known
 * here is kept as it is. `error`: the provider failed, and only says so here.
 */
export function finishReasonOf(said: unknown): string | undefined {
  if (typeof said !== 'string') return undefined
  const name = said.toLowerCase().replaceAll(/[^a-z]/g, '')
  // Some say an empty one, or `null` as text, in every event.
  if (said.trim() === '' || name === 'null' || name === 'none') return undefined
  return reasons.get(name) ?? providerWord(said) ?? 'other'
}

const spellings: Readonly<Record<string, readonly string[]>> = {
  stop: ['stop', 'stopped', 'end', 'endturn', 'eos', 'eostoken', 'stopsequence', 'stoptoken', 'complete', 'completed'],
  length: [
    'length',
    'maxtokens',
    'maxoutputtokens',
    'maxcompletiontokens',
    'maxlength',
    'modellength',
    'tokenlimit',
    'contextlength',
    'contextlengthexceeded',
    'modelcontextwindowexceeded',
  ],
  content_filter: [
    'contentfilter',
    'contentfiltered',
    'filtered',
    'safety',
    'imagesafety',
    'recitation',
    'blocklist',
    'prohibitedcontent',
    'spii',
    'sensitive',
    'refusal',
    'guardrailintervened',
  ],
  tool_calls: ['toolcalls', 'toolcall', 'tooluse', 'functioncall', 'functioncalls', 'malformedfunctioncall'],
  error: [
    'error',
    'errored',
    'failed',
    'failure',
    'abort',
    'aborted',
    'internalerror',
    'servererror',
    'networkerror',
    'unknownerror',
    'insufficientsystemresource',
  ],
}

const reasons = new Map(Object.entries(spellings).flatMap(([reason, names]) => names.map((name) => [name, reason])))
