import { Counter, type Registry } from 'prom-client'

/** Below 1 ms, since that is where the gateway's own share lies. */
export const ownSeconds = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
]
/** The GenAI conventions' buckets for a time to the first token, with more where people notice the difference. */
export const firstTokenSeconds = [
  0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60,
]
export const gapSeconds = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 10,
]

export function counter<T extends string>(registry: Registry, name: string, help: string, labelNames: readonly T[]) {
  return new Counter({ name, help, labelNames, registers: [registry] })
}
