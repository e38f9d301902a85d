import { developmentRoutes } from './development-route.ts'
import { documentRoutes } from './document-routes.ts'
import { messageRoutes } from './message-routes.ts'
import { nodeRoutes } from './node-routes.ts'
import type { Route } from './route.ts'
import { sessionRoutes } from './session-routes.ts'
import { turnRoutes } from './turn-routes.ts'
import { usageRoutes } from './usage-routes.ts'

const described = [
  ...sessionRoutes,
  ...messageRoutes,
  ...turnRoutes,
  ...usageRoutes,
  ...nodeRoutes,
  ...developmentRoutes,
]

/** Every route but the page's files. */
export const allRoutes: readonly Route[] = [...described, ...documentRoutes(described)]
