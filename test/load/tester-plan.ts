import { planDefaults, type RunPlan, runPlan } from '../../load/tester/plan.ts'

/** A plan of made questions for a gateway in development mode. */
export function planOf(url: string, plan: Partial<RunPlan> = {}): RunPlan {
  return runPlan.parse({
    ...planDefaults,
    name: 'test',
    runId: 'test',
    urls: [url],
    tokens: { from: 'url', url: `${url.replace('ws', 'http').replace('/v1/socket', '')}/dev/token` },
    workers: 1,
    arrivals: 'closed',
    outputTokens: 30,
    check: 'text',
    isHistoryChecked: true,
    ...plan,
  })
}
