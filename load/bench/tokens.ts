import { SignJWT } from 'jose'

/** A gateway with a key of its own, so that a benchmark signs its users' tokens rather than fetch thousands. */
export const signingSecret = 'a secret of this benchmark alone of 32 bytes and more'

export const signingEnv = {
  SLUICE_JWT_SECRET: signingSecret,
  SLUICE_JWT_ISSUER: '*',
  SLUICE_JWT_AUDIENCE: '*',
} as const

/** Of as many subjects, for an hour. */
export function signTokens(count: number, subjectOf: (n: number) => string = (n) => `user-${n}`): Promise<string[]> {
  const key = new TextEncoder().encode(signingSecret)
  const sign = (_: unknown, n: number) =>
    new SignJWT({ scope: 'chat history' })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(subjectOf(n))
      .setExpirationTime('1h')
      .sign(key)
  return Promise.all(Array.from({ length: count }, sign))
}
