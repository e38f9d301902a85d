import { refusal } from '../../protocol/error.ts'
import { refuse } from './refusals.ts'
import { readQuery } from './request-parts.ts'
import type { Route } from './route.ts'
import { usageQuery } from './schemas.ts'
import { json } from './session-routes.ts'

/** What was used of the budgets, and what may be. */

const usage: Route = {
  method: 'GET',
  path: '/v1/usage',
  access: 'usage.read',
  document: {
    id: 'getUsage',
    summary:
      'What the subject used and may use; with the scope `admin` also its project and its tenant. With `session`, that session too.',
    query: usageQuery,
    answers: [{ status: 200, description: 'as of now', content: json('Usage') }],
    refusals: ['not-found'],
  },
  handle: async ({ request, parts }, identity) => {
    const query = readQuery(request, usageQuery)
    if (query.kind === 'refused') return refuse(query.refusal)
    const { session } = query.value
    if (session !== undefined) {
      const owned = await parts.chat.owned(identity, session)
      if (owned.kind === 'refused') return refuse(owned.refusal)
    }
    const read = await parts.usage(identity, session).catch(() => undefined)
    if (read === undefined) return refuse(refusal('unavailable', 'the books could not be read; ask again', 1_000))
    return Response.json(read)
  },
}

export const usageRoutes: readonly Route[] = [usage]
