/** The variables that say in which claims a token says what. */
import { choice, optionalList, text } from './variable.ts'

/** Where claims are unless the operator says otherwise. `scp` is what Entra and Okta call `scope`. */
export const standardClaims = {
  subject: 'sub',
  tenant: 'tenant',
  project: 'project',
  audience: 'aud',
  scopes: ['scope', 'scp'],
  defaultScopes: ['chat', 'history'],
} as const

const CLAIM_NAME_MAX_LENGTH = 256
const claimRange = `names of claims, at most ${CLAIM_NAME_MAX_LENGTH} characters`
const isClaimName = (name: string): boolean => name.length <= CLAIM_NAME_MAX_LENGTH && !/\p{Cc}/u.test(name)

const claim = (standard: string, meaning: string) =>
  text(standard, {
    meaning: `claim with ${meaning}; a dot goes into an object`,
    unit: 'name',
    range: claimRange,
    accepts: isClaimName,
  })

/** Each is looked for in each token, so their number is bounded. */
const SCOPES_CLAIMS_MAX_COUNT = 8

export const claims = {
  SLUICE_JWT_AUDIENCE_CLAIM: claim(
    standardClaims.audience,
    "the audience, for tokens without `aud`: Cognito's client_id, Keycloak's azp",
  ),
  SLUICE_JWT_SUBJECT_CLAIM: claim(standardClaims.subject, 'the user'),
  SLUICE_JWT_TENANT_CLAIM: claim(standardClaims.tenant, 'the tenant'),
  SLUICE_JWT_PROJECT_CLAIM: claim(standardClaims.project, 'the project'),
  SLUICE_JWT_SCOPES_CLAIM: optionalList({
    meaning: 'claims with scopes or roles, read together; a dot goes into an object (realm_access.roles)',
    unit: 'names',
    range: `${claimRange}, comma-separated, at most ${SCOPES_CLAIMS_MAX_COUNT}`,
    absent: standardClaims.scopes.join(','),
    maxCount: SCOPES_CLAIMS_MAX_COUNT,
    readEntry: (entry) => (isClaimName(entry) ? entry : undefined),
  }),
  SLUICE_JWT_DEFAULT_SCOPES: choice(
    ['chat history', 'chat', 'history', 'none'],
    'chat history',
    'what a token may do whose claims have none of the words chat, history and admin',
  ),
}
