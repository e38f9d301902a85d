import type { TargetPolicy } from '../policy.ts'
import type { Provider, TurnLogger } from '../ports.ts'
import { createOpenAiProvider, type OpenAiOptions } from './openai.ts'

/** The provider of a target. `headersMs`: the answer's headers must come within this. */
export function connectTarget(target: TargetPolicy, headersMs: number, logger: TurnLogger): Provider {
  return createOpenAiProvider({ ...providerOptions(target), headersMs }, logger)
}

/** All that a target's policy says of its requests, and of the way there. */
export function providerOptions(target: TargetPolicy): Omit<OpenAiOptions, 'headersMs'> {
  const { name, baseUrl, provider, contextTokens, thinkTags, request = {}, connection = {} } = target
  const { proxy, ca, clientCertificate } = connection
  return {
    baseUrl,
    name: provider,
    target: name,
    ...(thinkTags !== undefined && { thinkTags }),
    form: { ...request, ...(contextTokens !== undefined && { contextTokens }) },
    connection: {
      ...(proxy && { proxy: proxy.secret }),
      ...(ca !== undefined && { ca }),
      ...(clientCertificate && {
        clientCertificate: { certificate: clientCertificate.certificate, key: clientCertificate.key.secret },
      }),
    },
  }
}
