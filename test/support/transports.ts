/**
 * The transports that tests run on. uWebSockets.js is there when the tests were started with `npm test`, which sets
 * SLUICE_UWS_PATH where the machine allows; in CI it must be, and a suite of the transports fails without.
 */
export const testedTransports: readonly ('ws' | 'uws')[] =
  process.env.SLUICE_UWS_PATH === undefined || process.env.SLUICE_UWS_PATH === '' ? ['ws'] : ['ws', 'uws']
