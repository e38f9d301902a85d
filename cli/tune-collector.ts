import { setFlagsFromString } from 'node:v8'

/**
 * How V8 collects garbage in a gateway (docs/decisions/0027). Left alone it takes a quiet time for a reason to save memory:
 * it throws compiled code away, collects everything after every few megabytes and makes the young generation small, for
 * which the next messages pay with a tenth to a quarter more CPU and pauses of up to 100 ms; a gateway is quiet often. And
 * little of its young garbage lives, so helper threads for that cost more than they save where all cores work.
 *
 * Call it before anything else of the command is loaded. V8 ends the process (`Check failed: state.started_gcs() <=
 * MaxNumberOfGCs()`) when its memory reducer has already begun, which it may do 8 s after the start: a slow or busy
 * machine takes so long to load a gateway.
 */
export function tuneCollector(): void {
  setFlagsFromString('--memory-reducer-gc-count=0')
  setFlagsFromString('--no-parallel-scavenge')
  // The whole heap is collected when it has three times what lived through the last time, or is half way to its limit.
  setFlagsFromString('--heap-growing-percent=200')
  // What was made small becomes large again in one step.
  setFlagsFromString('--semi-space-growth-factor=16')
}
