import { readProxy } from './proxies.ts'
import { optionalSecret, optionalText } from './variable.ts'

const proxy = (meaning: string) =>
  optionalSecret({
    meaning,
    unit: 'URL',
    range: 'http://host:port, with user:password@ where it wants them (SOCKS is not supported)',
    accepts: (value) => readProxy(value) !== undefined,
  })

/** Their names are everybody's; they are read in small letters too. */
export const proxies = {
  HTTPS_PROXY: proxy('proxy of requests to https addresses: models, moderation, key sets; also https_proxy'),
  HTTP_PROXY: proxy('proxy of requests to http addresses; also http_proxy'),
  NO_PROXY: optionalText({
    meaning: 'hosts that are reached without a proxy; loopback addresses always are; also no_proxy',
    unit: 'hosts',
    range: 'domains (with all below them), host:port, addresses, CIDR ranges or `*`, separated by commas or blanks',
  }),
}
