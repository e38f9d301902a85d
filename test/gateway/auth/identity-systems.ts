/**
 * Claims of access tokens (Firebase: the ID token) as each system documents them, for the names that docs/OPERATIONS.md
 * uses. `user` is of somebody without roles for the gateway, `member` the same with the roles or scopes that the section
 * advises; what is `undefined` is not in the token.
 */
import type { JWTPayload } from 'jose'

export interface IdentitySystem {
  /** As the section of docs/OPERATIONS.md writes it. */
  readonly name: string
  readonly alg: 'RS256' | 'ES256'
  readonly user: JWTPayload
  readonly member: JWTPayload
  /** What comes of `user` with the key set, issuer and audience alone. */
  readonly plainSubject: string
  /** What comes of `member` with all settings of the section. */
  readonly identity: { readonly subject: string; readonly tenant: string; readonly scopes: readonly string[] }
}

const tid = '11111111-2222-3333-4444-555555555555'
const zitadelRoles = 'urn:zitadel:iam:org:project:roles'

const keycloak = {
  iss: 'https://keycloak.example/realms/acme',
  aud: 'account',
  sub: 'f3a9b1de-0c7c-4f3f-9d5e-6a4f0f6a9f11',
  typ: 'Bearer',
  azp: 'chat-web',
  sid: '0d3c6a55-7a4c-4a0b-a1de-0f3b3d1f3d10',
  acr: '1',
  'allowed-origins': ['https://chat.example'],
  realm_access: { roles: ['default-roles-acme', 'offline_access', 'uma_authorization'] },
  resource_access: { account: { roles: ['manage-account', 'manage-account-links', 'view-profile'] } },
  scope: 'openid email profile',
  email_verified: true,
  preferred_username: 'ada',
}

const auth0 = {
  iss: 'https://acme.eu.auth0.com/',
  sub: 'auth0|507f1f77bcf86cd799439011',
  aud: ['https://chat.example/api', 'https://acme.eu.auth0.com/userinfo'],
  azp: 'my_client_id',
  scope: 'openid profile email',
}

const cognito = {
  iss: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example1',
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  client_id: '1example23456789',
  origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  event_id: '64f513be-32db-42b0-b78e-b02127b4f463',
  token_use: 'access',
  scope: 'aws.cognito.signin.user.admin openid',
  username: 'ada',
}

const entra = {
  iss: `https://login.microsoftonline.com/${tid}/v2.0`,
  aud: '66666666-7777-8888-9999-000000000000',
  sub: 'HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ',
  oid: '690222be-ff1a-4d56-abd1-7e4f7d38e474',
  tid,
  azp: '99999999-7777-8888-9999-000000000000',
  azpacr: '0',
  scp: 'access_as_user',
  uti: 'aBcDeF',
  ver: '2.0',
}

const okta = {
  ver: 1,
  jti: 'AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE',
  iss: 'https://acme.okta.com/oauth2/default',
  aud: 'api://default',
  sub: 'ada@acme.example',
  cid: '0oab8eb55Kb9jdMIr5d6',
  uid: '00ub0oNGTSWTBKOLGLNR',
  scp: ['openid', 'profile'],
  auth_time: 1_899_999_000,
}

const firebase = {
  iss: 'https://securetoken.google.com/acme-chat',
  aud: 'acme-chat',
  auth_time: 1_899_999_000,
  user_id: 'Zx7gQ2pLr9',
  sub: 'Zx7gQ2pLr9',
  email: 'ada@acme.example',
  firebase: { identities: { email: ['ada@acme.example'] }, sign_in_provider: 'password' },
}

const supabase = {
  iss: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1',
  aud: 'authenticated',
  sub: '1b7e2a94-62a5-4d4f-8f6d-2f3c8fbb0c11',
  role: 'authenticated',
  aal: 'aal1',
  amr: [{ method: 'password', timestamp: 1_899_999_000 }],
  session_id: '5a1f7f4e-8a75-4c7a-a2f3-4d4a9d0b7b11',
  email: 'ada@acme.example',
  is_anonymous: false,
  app_metadata: { provider: 'email', providers: ['email'] },
  user_metadata: { roles: ['admin'], tenant: 'other' },
}

const clerk = {
  iss: 'https://clerk.chat.example',
  sub: 'user_2NNEqL2nrIRdJ194ndJqAHwEfxC',
  azp: 'https://chat.example',
  sid: 'sess_2NNEqL2nrIRdJ194ndJqAHwEfxD',
  fva: [3, -1],
  sts: 'active',
  v: 2,
  scope: null,
}

const zitadel = {
  iss: 'https://acme.zitadel.cloud',
  aud: ['234567890123456780@chat', '234567890123456789'],
  sub: '165460784409546762',
  client_id: '234567890123456780@chat',
  jti: 'V2_234567890123456701-at_234567890123456702',
}

export const identitySystems: readonly IdentitySystem[] = [
  {
    name: 'Keycloak',
    alg: 'RS256',
    user: keycloak,
    member: {
      ...keycloak,
      resource_access: { ...keycloak.resource_access, 'chat-web': { roles: ['chat', 'history', 'admin'] } },
    },
    plainSubject: keycloak.sub,
    identity: { subject: keycloak.sub, tenant: 'default', scopes: ['chat', 'history', 'admin'] },
  },
  {
    name: 'Auth0',
    alg: 'RS256',
    user: auth0,
    member: { ...auth0, org_id: 'org_acme', permissions: ['chat'], 'https://chat.example/roles': ['admin', 'editor'] },
    plainSubject: auth0.sub,
    identity: { subject: auth0.sub, tenant: 'org_acme', scopes: ['chat', 'admin'] },
  },
  {
    name: 'Cognito',
    alg: 'RS256',
    user: cognito,
    member: { ...cognito, 'cognito:groups': ['history'] },
    plainSubject: cognito.sub,
    identity: { subject: cognito.sub, tenant: 'default', scopes: ['history'] },
  },
  {
    name: 'Entra ID',
    alg: 'RS256',
    user: entra,
    member: { ...entra, scp: 'chat access_as_user', roles: ['admin'] },
    plainSubject: entra.sub,
    identity: { subject: entra.oid, tenant: tid, scopes: ['chat', 'admin'] },
  },
  {
    name: 'Okta',
    alg: 'RS256',
    user: okta,
    member: { ...okta, scp: ['openid', 'chat'] },
    plainSubject: okta.sub,
    identity: { subject: okta.uid, tenant: 'default', scopes: ['chat'] },
  },
  {
    name: 'Firebase',
    alg: 'RS256',
    user: firebase,
    member: { ...firebase, roles: { chat: true, admin: false }, firebase: { ...firebase.firebase, tenant: 'acme-x1' } },
    plainSubject: firebase.sub,
    identity: { subject: firebase.sub, tenant: 'acme-x1', scopes: ['chat'] },
  },
  {
    name: 'Supabase',
    alg: 'ES256',
    user: supabase,
    member: { ...supabase, app_metadata: { ...supabase.app_metadata, tenant: 'acme', roles: ['chat', 'history'] } },
    plainSubject: supabase.sub,
    identity: { subject: supabase.sub, tenant: 'acme', scopes: ['chat', 'history'] },
  },
  {
    name: 'Clerk',
    alg: 'RS256',
    user: clerk,
    member: { ...clerk, o: { id: 'org_2NNEqL', rol: 'admin', slg: 'acme' }, scope: 'history' },
    plainSubject: clerk.sub,
    identity: { subject: clerk.sub, tenant: 'org_2NNEqL', scopes: ['history'] },
  },
  {
    name: 'Zitadel',
    alg: 'RS256',
    user: zitadel,
    member: {
      ...zitadel,
      'urn:zitadel:iam:user:resourceowner:id': '234567890123456000',
      [zitadelRoles]: { chat: { '234567890123456000': 'acme.zitadel.cloud' } },
    },
    plainSubject: zitadel.sub,
    identity: { subject: zitadel.sub, tenant: '234567890123456000', scopes: ['chat'] },
  },
]
