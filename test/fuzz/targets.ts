/** Every parser that is fuzzed. A new one: a file in `targets/` and a line here. */
import type { Target } from './target.ts'
import { clientFrames } from './targets/client-frames.ts'
import { cursors } from './targets/cursors.ts'
import { flags } from './targets/flags.ts'
import { frames } from './targets/frames.ts'
import { httpBodies } from './targets/http-bodies.ts'
import { httpHeads } from './targets/http-heads.ts'
import { keySets } from './targets/key-sets.ts'
import { markdown } from './targets/markdown.ts'
import { patterns, policies } from './targets/policies.ts'
import { providerEvents } from './targets/provider-events.ts'
import { providerRefusals } from './targets/provider-refusals.ts'
import { recordings } from './targets/recordings.ts'
import { redaction } from './targets/redaction.ts'
import { settings } from './targets/settings.ts'
import { storeNews } from './targets/store-news.ts'
import { promptFiles, templates } from './targets/templates.ts'
import { tokens } from './targets/tokens.ts'

export const targets: readonly Target[] = [
  frames,
  httpBodies,
  httpHeads,
  tokens,
  keySets,
  cursors,
  providerEvents,
  providerRefusals,
  redaction,
  markdown,
  clientFrames,
  storeNews,
  policies,
  patterns,
  flags,
  templates,
  promptFiles,
  settings,
  recordings,
]
