import { parseArgs } from 'node:util'
import { SignJWT } from 'jose'
import { configFromEnvironment } from './environment.ts'

const usage =
  'usage: sluice token --subject NAME [--tenant NAME] [--project NAME] [--scope "chat history"] [--ttl SECONDS]'

/** Signs a token that this configuration accepts, for trying and for load tests. */
export async function run(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      subject: { type: 'string' },
      tenant: { type: 'string' },
      project: { type: 'string' },
      scope: { type: 'string' },
      ttl: { type: 'string' },
    },
  })
  const { auth } = configFromEnvironment(process.env)
  if (values.subject === undefined) throw new Error(usage)
  const secret = auth.mode === 'jwt' ? auth.secrets[0] : undefined
  if (auth.mode !== 'jwt' || secret === undefined) {
    throw new Error(
      'unable to sign a token: set SLUICE_JWT_SECRET (in development mode, GET /dev/token?subject=NAME of the running gateway makes one)',
    )
  }
  const ttlSeconds = Number(values.ttl ?? 3600)
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1)
    throw new Error(`--ttl '${values.ttl}' must be a whole number of seconds, 1 or more\n${usage}`)
  const { tenant, project, scope } = values
  const claims = { ...(tenant && { tenant }), ...(project && { project }), ...(scope && { scope }) }
  const algorithm = auth.algorithms?.find((name) => name.startsWith('HS')) ?? 'HS256'
  const token = new SignJWT(claims)
    .setProtectedHeader({ alg: algorithm })
    .setSubject(values.subject)
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + ttlSeconds)
  if (auth.issuers !== 'any' && auth.issuers[0] !== undefined) token.setIssuer(auth.issuers[0])
  if (auth.audiences !== 'any' && auth.audiences[0] !== undefined) token.setAudience(auth.audiences[0])
  process.stdout.write(`${await token.sign(new TextEncoder().encode(secret.reveal()))}\n`)
  return 0
}
